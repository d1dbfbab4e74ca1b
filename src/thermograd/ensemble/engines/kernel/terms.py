"""How elements of values are written in C++: as memory with strides, or as an expression of other elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from thermograd.ensemble.engines.kernel.ir import Shape

Index = Sequence["str | int"]


@dataclass(frozen=True)
class Term:
    """Something with elements.

    Attributes:
        shape: its shape.
        dtype: type of its elements.
        cost: how many operations an element takes; 0 = a read from memory, or a number.
        write: the expression of an element at an index; for memory see `memory`.
        name: the memory it is a view of, None for an expression.
        strides: of that memory, by axis.
        offset: of its first element.
        shared: the memory holds single numbers, the same for all lanes.
        reads: names of all memory an element is made from.
        elsewhere: those of them that are read at other places than the index of the element.
    """

    shape: Shape
    dtype: str
    cost: float = 0
    write: Callable[[Index], str] | None = None
    name: str | None = None
    strides: tuple[int, ...] = ()
    offset: int = 0
    shared: bool = False
    reads: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def at(self, index: Index) -> str:
        """The C++ expression of an element."""
        if self.name is None:
            assert self.write is not None  # a term is memory or an expression
            return self.write(index)
        text = f"{self.name}[{place(index, self.strides, self.offset)}]"
        return f"{BROADCAST[self.dtype]}({text})" if self.shared else text

    def permuted(self, axes: Sequence[int]) -> Term:
        """The axes in another order."""
        shape = tuple(self.shape[axis] for axis in axes)
        if self.name is not None:
            return replace(
                self, shape=shape, strides=tuple(self.strides[axis] for axis in axes), elsewhere=self.reads
            )

        def write(index: Index) -> str:
            before: list[str | int] = [0] * len(axes)
            for position, axis in enumerate(axes):
                before[axis] = index[position]
            return self.at(before)

        return replace(self, shape=shape, write=write, elsewhere=self.reads)

    def expanded(self, shape: Shape) -> Term:
        """Broadcast to a shape."""
        lead = len(shape) - len(self.shape)
        wide = [lead + axis for axis, length in enumerate(self.shape) if length != shape[lead + axis]]
        if self.name is not None:
            strides = [0] * lead + [0 if lead + axis in wide else s for axis, s in enumerate(self.strides)]
            return replace(self, shape=shape, strides=tuple(strides), elsewhere=self.reads)

        def write(index: Index) -> str:
            return self.at(
                [0 if lead + axis in wide else index[lead + axis] for axis in range(len(self.shape))]
            )

        return replace(self, shape=shape, write=write, elsewhere=self.reads)

    def sliced(self, shape: Shape, axis: int, start: int, step: int) -> Term:
        """Every `step`-th element along an axis."""
        if self.name is not None:
            strides = list(self.strides)
            offset = self.offset + start * strides[axis]
            strides[axis] *= step
            return replace(self, shape=shape, strides=tuple(strides), offset=offset, elsewhere=self.reads)

        def write(index: Index) -> str:
            moved = list(index)
            moved[axis] = place([moved[axis]], [step], start)
            return self.at(moved)

        return replace(self, shape=shape, write=write, elsewhere=self.reads)

    def reshaped(self, shape: Shape) -> Term | None:
        """The same elements in another shape, None where these are not a view of the memory."""
        if self.name is not None:
            strides = _strides_after(self.shape, self.strides, shape)
            return (
                None if strides is None else replace(self, shape=shape, strides=strides, elsewhere=self.reads)
            )
        if [n for n in self.shape if n != 1] != [n for n in shape if n != 1]:
            return None

        def write(index: Index) -> str:
            long = iter([entry for entry, length in zip(index, shape, strict=True) if length != 1])
            return self.at([next(long) if length != 1 else 0 for length in self.shape])

        return replace(self, shape=shape, write=write, elsewhere=self.reads)


BROADCAST = {"float32": "F_", "float64": "D_", "int64": "I_", "bool": "B_"}
TYPE = {"float32": "F", "float64": "D", "int64": "I", "bool": "I"}


def place(index: Index, strides: Sequence[int], offset: int = 0) -> str:
    """The position in memory of an index.

    >>> place(["i", 2, "j"], [10, 5, 1], 3)
    'i*10+j+13'
    """
    fixed, terms = offset, []
    for entry, stride in zip(index, strides, strict=True):
        if isinstance(entry, int) or entry.isdigit():
            fixed += int(entry) * stride
        elif stride:
            simple = entry.isidentifier()
            terms.append((entry if simple else f"({entry})") + ("" if stride == 1 else f"*{stride}"))
    if fixed or not terms:
        terms.append(str(fixed))
    return "+".join(terms)


def contiguous(shape: Shape) -> tuple[int, ...]:
    """Strides of an array in row-major order.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def memory(name: str, shape: Shape, dtype: str, *, shared: bool = False) -> Term:
    """An array of its own."""
    return Term(shape, dtype, name=name, strides=contiguous(shape), shared=shared, reads=frozenset({name}))


def _strides_after(shape: Shape, strides: tuple[int, ...], wanted: Shape) -> tuple[int, ...] | None:
    """Strides of a view of another shape, None if there is none: groups of axes of equal length are matched."""
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    new = [n for n in wanted if n != 1]
    found: list[int] = []
    i = j = 0
    while i < len(old) and j < len(new):
        first, start = i, j
        length, other = old[i][0], new[j]
        while length != other:
            if length < other:
                i += 1
                length *= old[i][0]
            else:
                j += 1
                other *= new[j]
        if any(old[k][1] != old[k + 1][1] * old[k + 1][0] for k in range(first, i)):
            return None
        stride = old[i][1]
        found += [stride * math.prod(new[k + 1 : j + 1]) for k in range(start, j + 1)]
        i, j = i + 1, j + 1
    long = iter(found)
    return tuple(next(long) if n != 1 else 0 for n in wanted)
