"""The update of one trajectory as a list of array operations with static shapes.

A `Value` is an array of one trajectory. There are eight kinds of operation, few enough to be interpreted in a page
(`interpreter.py`) and printed in three (`lower_cpp.py`):

- `input` (a named array), `array` (numbers shared by all trajectories), `number` (one of them);
- `map`: a function of scalars applied elementwise, operands broadcast as numpy does;
- `permute`, `reshape`, `expand`, `slice`, `cat`: the same elements at other places;
- `reduce`: sum, maximum or minimum along axes, which disappear;
- `matmul`: products of matrices, with leading axes side by side.

Equal operations on the same operands are one value: a gradient asked for twice is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]
FLOAT64, FLOAT32, BOOL = "float64", "float32", "bool"
FLOATS = (FLOAT64, FLOAT32)

UNARY: tuple[str, ...] = (
    "neg",
    "abs",
    "sign",
    "sqrt",
    "rsqrt",
    "exp",
    "log",
    "log1p",
    "expm1",
    "tanh",
    "sigmoid",
)
UNARY += ("sin", "cos", "erf", "not", "is_nan")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


@dataclass(frozen=True, eq=False)
class Value:
    """One array of one trajectory.

    Attributes:
        operation: kind; see the module.
        operands: what it is made of.
        shape: its shape.
        dtype: "float64", "float32", "int64" or "bool".
        detail: name of an input, index of an array, the number, function of a `map` or `reduce`, axes, ...
    """

    operation: str
    operands: tuple[Value, ...]
    shape: Shape
    dtype: str
    detail: Any = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"{self.operation}({self.detail}) {self.dtype}{list(self.shape)}"


@dataclass(frozen=True, eq=False)
class Program:
    """Values to be computed from inputs.

    Attributes:
        inputs: by name, those that are used.
        arrays: numbers shared by all trajectories, by the detail of `array` values.
        outputs: by name.
        order: all values, operands before what is made of them.
    """

    inputs: dict[str, Value]
    arrays: tuple[npt.NDArray[Any], ...]
    outputs: dict[str, Value]
    order: tuple[Value, ...]

    @property
    def operations(self) -> int:
        """Number of operations that compute something."""
        return sum(value.operation in {"map", "reduce", "matmul"} for value in self.order)


class Builder:
    """Makes values; equal ones are made once, and trivial ones (a · 1, a power of 2) are simplified."""

    def __init__(self) -> None:
        self._known: dict[Any, Value] = {}
        self._arrays: list[npt.NDArray[Any]] = []
        self._array_places: dict[Any, int] = {}

    def input(self, name: str, shape: Shape, dtype: str) -> Value:
        """A named array of the trajectory."""
        return self._value("input", (), shape, dtype, name)

    def array(self, array: npt.NDArray[Any]) -> Value:
        """Numbers that all trajectories share."""
        key = (id(array),) if array.size > 64 else (array.tobytes(), array.shape, array.dtype.name)
        if key not in self._array_places:
            self._array_places[key] = len(self._arrays)
            self._arrays.append(array)
        return self._value("array", (), array.shape, array.dtype.name, self._array_places[key])

    def number(self, number: float, dtype: str) -> Value:
        """One number, of shape ()."""
        typed: Any = np.dtype(dtype).type(number)
        return self._value("number", (), (), dtype, typed.item())

    def map(self, function: str, operands: Sequence[Value], dtype: str) -> Value:
        """`function` of the elements; operands must have the types it wants already."""
        shape = tuple(np.broadcast_shapes(*[operand.shape for operand in operands]))
        simpler = self._simpler(function, operands, shape, dtype)
        if simpler is not None:
            return simpler
        # An operand that holds one number everywhere takes part as that number.
        bare = tuple(_bare(operand) for operand in operands)
        value = self._value(
            "map", bare, tuple(np.broadcast_shapes(*[entry.shape for entry in bare])), dtype, function
        )
        return self.expand(value, shape)

    def convert(self, operand: Value, dtype: str) -> Value:
        """The same numbers in another type."""
        if operand.dtype == dtype:
            return operand
        source = _bare(operand)
        if source.operation == "number":
            return self.expand(self.number(source.detail, dtype), operand.shape)
        return self.expand(self._value("map", (source,), source.shape, dtype, "convert"), operand.shape)

    def permute(self, operand: Value, axes: Sequence[int]) -> Value:
        """Axes in another order, as `numpy.transpose`."""
        axes = tuple(axis % len(operand.shape) for axis in axes)
        if axes == tuple(range(len(axes))):
            return operand
        if operand.operation == "permute":
            inner = tuple(operand.detail[axis] for axis in axes)
            return self.permute(operand.operands[0], inner)
        shape = tuple(operand.shape[axis] for axis in axes)
        return self._value("permute", (operand,), shape, operand.dtype, axes)

    def reshape(self, operand: Value, shape: Sequence[int]) -> Value:
        """The same elements in row-major order in another shape; one entry may be -1."""
        wanted = [int(length) for length in shape]
        if -1 in wanted:
            rest = -math.prod(wanted)
            wanted[wanted.index(-1)] = operand.size // rest if rest else 0
        if tuple(wanted) == operand.shape:
            return operand
        if operand.operation == "reshape":
            return self.reshape(operand.operands[0], wanted)
        if _bare(operand).operation == "number":
            return self.expand(_bare(operand), tuple(wanted))
        return self._value("reshape", (operand,), tuple(wanted), operand.dtype)

    def expand(self, operand: Value, shape: Sequence[int]) -> Value:
        """Broadcast to a shape; -1 keeps a length."""
        lead = len(shape) - len(operand.shape)
        wanted = tuple(
            operand.shape[axis - lead] if length == -1 else int(length) for axis, length in enumerate(shape)
        )
        if wanted == operand.shape:
            return operand
        if operand.operation == "expand":
            return self.expand(operand.operands[0], wanted)
        return self._value("expand", (operand,), wanted, operand.dtype)

    def slice(self, operand: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
        """Every `step`-th element along an axis."""
        axis %= len(operand.shape)
        length = operand.shape[axis]
        start, stop, step = slice(start, stop, step).indices(length)
        count = len(range(start, stop, step))
        if (count, step) == (length, 1):
            return operand
        shape = (*operand.shape[:axis], count, *operand.shape[axis + 1 :])
        if _bare(operand).operation == "number":
            return self.expand(_bare(operand), shape)
        return self._value("slice", (operand,), shape, operand.dtype, (axis, start, step))

    def select(self, operand: Value, axis: int, place: int) -> Value:
        """One element along an axis, which disappears."""
        axis %= len(operand.shape)
        place %= operand.shape[axis]
        kept = self.slice(operand, axis, place, place + 1)
        return self.reshape(kept, (*operand.shape[:axis], *operand.shape[axis + 1 :]))

    def cat(self, operands: Sequence[Value], axis: int) -> Value:
        """Side by side along an axis."""
        parts = [operand for operand in operands if operand.size]
        if len(parts) == 1:
            return parts[0]
        first = parts[0]
        axis %= len(first.shape)
        length = sum(part.shape[axis] for part in parts)
        shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
        return self._value("cat", tuple(parts), shape, first.dtype, axis)

    def reduce(
        self, function: str, operand: Value, axes: Iterable[int] | None, *, keep: bool = False
    ) -> Value:
        """The sum, "max" or "min" along axes; None or none given: along all."""
        rank = len(operand.shape)
        gone = tuple(sorted({axis % rank for axis in axes or ()})) or tuple(range(rank))
        kept = tuple(length for axis, length in enumerate(operand.shape) if axis not in gone)
        if all(operand.shape[axis] == 1 for axis in gone):
            value = self.reshape(operand, kept)
        else:
            value = self._value("reduce", (operand,), kept, operand.dtype, (function, gone))
        if keep:
            value = self.reshape(value, [1 if axis in gone else n for axis, n in enumerate(operand.shape)])
        return value

    def matmul(self, left: Value, right: Value) -> Value:
        """(..., m, k) times (..., k, n), leading axes the same."""
        shape = (*left.shape[:-1], right.shape[-1])
        return self._value("matmul", (left, right), shape, left.dtype)

    def program(self, outputs: dict[str, Value]) -> Program:
        """What is needed for these outputs."""
        order: dict[int, Value] = {}
        stack = [(value, False) for value in reversed(list(outputs.values()))]
        while stack:
            value, done = stack.pop()
            if done:
                order.setdefault(id(value), value)
            elif id(value) not in order:
                stack.append((value, True))
                stack += [(operand, False) for operand in reversed(value.operands)]
        inputs = {value.detail: value for value in order.values() if value.operation == "input"}
        return Program(inputs, tuple(self._arrays), outputs, tuple(order.values()))

    def _value(
        self, operation: str, operands: tuple[Value, ...], shape: Shape, dtype: str, detail: Any = None
    ) -> Value:
        # By text, so that 0.0 and -0.0, 1 and 1.0 and True stay apart and NaN is found again.
        key = (operation, tuple(map(id, operands)), shape, dtype, repr(detail))
        if key not in self._known:
            self._known[key] = Value(operation, operands, tuple(shape), dtype, detail)
        return self._known[key]

    def _simpler(self, function: str, operands: Sequence[Value], shape: Shape, dtype: str) -> Value | None:
        """The same numbers with less work, None if there is no such form."""
        bare = [_bare(operand) for operand in operands]
        numbers = [entry.detail if entry.operation == "number" else None for entry in bare]
        if all(number is not None for number in numbers) and function in _FOLDED:
            with np.errstate(all="ignore"):
                folded = _FOLDED[function](*[np.dtype(entry.dtype).type(entry.detail) for entry in bare])
            return self.expand(self.number(folded, dtype), shape)
        if function in {"mul", "div"} and numbers[-1] == 1 and not isinstance(numbers[-1], bool):
            return self.expand(operands[0], shape)
        if function == "mul" and numbers[0] == 1:
            return self.expand(operands[1], shape)
        if function == "pow" and numbers[1] is not None:
            return self._power(operands[0], numbers[1], dtype)
        return None

    def _power(self, base: Value, exponent: float, dtype: str) -> Value | None:
        if exponent == 1:
            return base
        if exponent in {2, 3, 4}:
            square = self.map("mul", (base, base), dtype)
            other = {2: None, 3: base, 4: square}[int(exponent)]
            return square if other is None else self.map("mul", (square, other), dtype)
        if 2 * exponent == 1:
            return self.map("sqrt", (base,), dtype)
        if exponent == -1:
            return self.map("div", (self.number(1, dtype), base), dtype)
        return None


_FOLDED = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def _bare(value: Value) -> Value:
    """The number that an expanded value holds everywhere, or the value itself."""
    source = value.operands[0] if value.operation == "expand" else value
    return source if source.operation == "number" else value
