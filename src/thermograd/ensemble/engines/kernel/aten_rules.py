"""What the operations of a traced torch function are in the kernel's own terms: one rule an operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from thermograd.ensemble.engines.kernel.ir import BINARY, COMPARISONS, FLOATS, UNARY, Builder, Value

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}
_RENAMED = {"logical_and": "and", "bitwise_and": "and", "logical_or": "or", "bitwise_or": "or", "logical_not": "not"}
_RENAMED |= {"bitwise_not": "not", "maximum": "max", "minimum": "min", "isnan": "is_nan", "sgn": "sign"}
_GRADED = {torch.bool: 0, torch.int64: 1, torch.float32: 2, torch.float64: 3}


class UnknownFormError(Exception):
    """An operation is known, but not in this form; the message says which."""


class Site:
    """Where a rule is applied: the builder, and shape and type of what comes out.

    Args:
        builder: makes values.
        shape: of the result, () where there are several.
        dtype: of the result.
    """

    def __init__(self, builder: Builder, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.builder, self.shape, self.dtype = builder, shape, named(dtype)

    def map(self, function: str, *operands: Any, dtype: str | None = None) -> Value:
        """`function` of operands brought to one type, that of the result if none is given."""
        kind = dtype or self.dtype
        return self.builder.map(function, [self.typed(operand, kind) for operand in operands], kind)

    def compare(self, function: str, left: Any, right: Any) -> Value:
        """A comparison, in the type torch would compare in."""
        kind = self.common(left, right)
        return self.builder.map(function, [self.typed(left, kind), self.typed(right, kind)], "bool")

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        chosen = [self.typed(yes, self.dtype), self.typed(no, self.dtype)]
        return self.builder.map("where", [condition, *chosen], self.dtype)

    def typed(self, operand: Any, dtype: str) -> Value:
        """A value, or a number, in this type."""
        if isinstance(operand, Value):
            return self.builder.convert(operand, dtype)
        return self.builder.number(operand, dtype)

    def common(self, *operands: Any) -> str:
        """The type that torch promotes operands to: numbers and single values yield to arrays of their kind."""
        best = max(
            operands,
            key=lambda operand: (
                _kind(operand),
                isinstance(operand, Value) and bool(operand.shape),
                isinstance(operand, Value) and _GRADED[getattr(torch, operand.dtype)],
            ),
        )
        return best.dtype if isinstance(best, Value) else ("float64" if isinstance(best, float) else "int64")


def named(dtype: torch.dtype) -> str:
    """The name of a type.

    Raises:
        UnknownFormError: it is none of those that the kernel has.
    """
    if dtype not in _GRADED:
        message = f"type {str(dtype).removeprefix('torch.')}"
        raise UnknownFormError(message)
    return str(dtype).removeprefix("torch.")


def _kind(operand: Any) -> int:
    """0 truth values, 1 whole numbers, 2 real numbers."""
    if isinstance(operand, Value):
        return 2 if operand.dtype in FLOATS else int(operand.dtype != "bool")
    return 0 if isinstance(operand, bool) else 1 if isinstance(operand, int) else 2


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operations by name, without overload."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _unary(function: str, site: Site, a: Value) -> Value:
    kind = a.dtype if function == "is_nan" else "bool" if function == "not" else site.dtype
    if function == "is_nan":
        return site.builder.map("is_nan", [a], "bool")
    return site.map(function, a, dtype=kind)


def _binary(function: str, site: Site, a: Any, b: Any) -> Value:
    if function in {"and", "or"} and site.dtype != "bool":
        message = "bitwise operation on whole numbers"
        raise UnknownFormError(message)
    return site.map(function, a, b)


for _name in UNARY:
    RULES[_name] = partial(_unary, _name)
for _name in BINARY:
    RULES[_name] = partial(_binary, _name)
for _name in COMPARISONS:
    RULES[_name] = (lambda function: lambda site, a, b: site.compare(function, a, b))(_name)
for _name, _function in _RENAMED.items():
    RULES[_name] = RULES[_function]
for _name in ("max", "min", "and", "or", "not", "is_nan"):
    del RULES[_name]


@rule("add", "sub")
def _add(site: Site, a: Any, b: Any, alpha: float = 1, *, function: str = "add") -> Value:
    return site.map(function, a, b if alpha == 1 else site.map("mul", b, alpha))


RULES["sub"] = partial(_add, function="sub")


@rule("rsub")
def _rsub(site: Site, a: Any, b: Any, alpha: float = 1) -> Value:
    return _add(site, b, a, alpha, function="sub")


@rule("div")
def _div(site: Site, a: Any, b: Any, rounding_mode: str | None = None) -> Value:
    if rounding_mode is not None:
        message = f"div with rounding_mode={rounding_mode!r}"
        raise UnknownFormError(message)
    return site.map("div", a, b)


@rule("relu")
def _relu(site: Site, a: Value) -> Value:
    return site.where(site.compare("lt", a, 0), 0, a)


@rule("reciprocal")
def _reciprocal(site: Site, a: Value) -> Value:
    return site.map("div", 1, a)


@rule("cosh")
def _cosh(site: Site, a: Value) -> Value:
    return site.map("mul", 0.5, site.map("add", site.map("exp", a), site.map("exp", site.map("neg", a))))


@rule("sinh")
def _sinh(site: Site, a: Value) -> Value:
    both = site.map("expm1", a), site.map("expm1", site.map("neg", a))
    return site.map("mul", 0.5, site.map("sub", *both))


@rule("clamp", "clamp_min")
def _clamp(site: Site, a: Value, low: float | None = None, high: float | None = None, **named: Any) -> Value:
    low, high = named.get("min", low), named.get("max", high)
    if low is not None:
        a = site.map("max", a, low)
    return a if high is None else site.map("min", a, high)


@rule("clamp_max")
def _clamp_max(site: Site, a: Value, high: float) -> Value:
    return site.map("min", a, high)


@rule("hardtanh")
def _hardtanh(site: Site, a: Value, low: float = -1, high: float = 1) -> Value:
    return _clamp(site, a, low, high)


@rule("where")
def _where(site: Site, condition: Value, yes: Any, no: Any) -> Value:
    return site.where(condition, yes, no)


@rule("masked_fill")
def _masked_fill(site: Site, a: Value, mask: Value, value: Any) -> Value:
    return site.where(mask, value, a)


@rule("leaky_relu")
def _leaky_relu(site: Site, a: Value, slope: float = 0.01) -> Value:
    return site.where(site.compare("gt", a, 0), a, site.map("mul", a, slope))


@rule("elu")
def _elu(site: Site, a: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    low = site.map("mul", alpha * scale, site.map("expm1", site.map("mul", a, input_scale)))
    return site.where(site.compare("gt", a, 0), site.map("mul", a, scale), low)


@rule("gelu")
def _gelu(site: Site, a: Value, approximate: str = "none") -> Value:
    half = site.map("mul", 0.5, a)
    if approximate == "none":
        return site.map("mul", half, site.map("add", 1, site.map("erf", site.map("mul", a, math.sqrt(0.5)))))
    cubic = site.map("mul", 0.044715, site.map("pow", a, 3))
    bent = site.map("tanh", site.map("mul", math.sqrt(2 / math.pi), site.map("add", a, cubic)))
    return site.map("mul", half, site.map("add", 1, bent))


@rule("_log_softmax")
def _log_softmax(site: Site, a: Value, axis: int, _half: bool) -> Value:
    shifted = site.map("sub", a, site.builder.reduce("max", a, [axis], keep=True))
    total = site.builder.reduce("sum", site.map("exp", shifted), [axis], keep=True)
    return site.map("sub", shifted, site.map("log", total))


@rule("_softmax")
def _softmax(site: Site, a: Value, axis: int, _half: bool) -> Value:
    shifted = site.map("exp", site.map("sub", a, site.builder.reduce("max", a, [axis], keep=True)))
    return site.map("div", shifted, site.builder.reduce("sum", shifted, [axis], keep=True))


@rule("sum")
def _sum(site: Site, a: Value, axes: Any = None, keep: bool = False, **_: Any) -> Value:
    return site.builder.reduce("sum", site.typed(a, site.dtype), _axes(axes), keep=keep)


@rule("amax")
def _amax(site: Site, a: Value, axes: Any = None, keep: bool = False) -> Value:
    return site.builder.reduce("max", a, _axes(axes), keep=keep)


@rule("amin")
def _amin(site: Site, a: Value, axes: Any = None, keep: bool = False) -> Value:
    return site.builder.reduce("min", a, _axes(axes), keep=keep)


@rule("mean")
def _mean(site: Site, a: Value, axes: Any = None, keep: bool = False, **_: Any) -> Value:
    total = _sum(site, a, axes, keep)
    return site.map("div", total, a.size // max(total.size, 1))


@rule("var")
def _var(site: Site, a: Value, axes: Any = None, correction: float | None = 1, keepdim: bool = False) -> Value:
    away = site.map("sub", a, _mean(site, a, axes, keep=True) if a.shape else a)
    total = site.builder.reduce("sum", site.map("mul", away, away), _axes(axes), keep=keepdim)
    return site.map("div", total, a.size / max(total.size, 1) - (1 if correction is None else correction))


@rule("linalg_vector_norm")
def _vector_norm(site: Site, a: Value, order: float = 2, axes: Any = None, keep: bool = False) -> Value:
    if order != 2:
        message = f"norm of order {order}"
        raise UnknownFormError(message)
    return site.map("sqrt", site.builder.reduce("sum", site.map("mul", a, a), _axes(axes), keep=keep))


@rule("native_layer_norm")
def _layer_norm(
    site: Site, a: Value, shape: Sequence[int], weight: Value | None, bias: Value | None, epsilon: float
) -> list[Value]:
    axes = list(range(len(a.shape) - len(shape), len(a.shape)))
    kind = a.dtype
    mean = site.map("div", site.builder.reduce("sum", a, axes, keep=True), math.prod(shape), dtype=kind)
    away = site.map("sub", a, mean, dtype=kind)
    square = site.map("mul", away, away, dtype=kind)
    variance = site.map("div", site.builder.reduce("sum", square, axes, keep=True), math.prod(shape), dtype=kind)
    scale = site.map("rsqrt", site.map("add", variance, epsilon, dtype=kind), dtype=kind)
    result = site.map("mul", away, scale, dtype=kind)
    if weight is not None:
        result = site.map("mul", result, weight, dtype=kind)
    if bias is not None:
        result = site.map("add", result, bias, dtype=kind)
    return [result, mean, scale]


@rule("mm", "bmm")
def _mm(site: Site, a: Value, b: Value) -> Value:
    return site.builder.matmul(a, b)


@rule("addmm", "baddbmm")
def _addmm(site: Site, c: Value, a: Value, b: Value, beta: float = 1, alpha: float = 1) -> Value:
    product = site.builder.matmul(a, b)
    return _add(site, c if beta == 1 else site.map("mul", c, beta), product, alpha)


@rule("permute")
def _permute(site: Site, a: Value, axes: Sequence[int]) -> Value:
    return site.builder.permute(a, axes)


@rule("view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "_reshape_copy", "view_copy")
def _view(site: Site, a: Value, *_: Any) -> Value:
    return site.builder.reshape(a, site.shape)


@rule("squeeze_copy", "clone", "detach", "alias", "lift_fresh_copy", "lift_fresh", "contiguous")
def _same(site: Site, a: Value, **_: Any) -> Value:
    return a


@rule("expand")
def _expand(site: Site, a: Value, shape: Sequence[int], **_: Any) -> Value:
    return site.builder.expand(a, shape)


@rule("select")
def _select(site: Site, a: Value, axis: int, place: int) -> Value:
    return site.builder.select(a, axis, place)


@rule("slice")
def _slice(site: Site, a: Value, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Value:
    return site.builder.slice(a, axis, 0 if start is None else start, _last(stop), step)


@rule("split_with_sizes")
def _split(site: Site, a: Value, sizes: Sequence[int], axis: int = 0) -> list[Value]:
    ends = np.cumsum([0, *sizes])
    return [
        site.builder.slice(a, axis, int(low), int(high)) for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]


@rule("unbind")
def _unbind(site: Site, a: Value, axis: int = 0) -> list[Value]:
    return [site.builder.select(a, axis, place) for place in range(a.shape[axis])]


@rule("cat")
def _cat(site: Site, parts: Sequence[Value], axis: int = 0) -> Value:
    return site.builder.cat([site.typed(part, site.dtype) for part in parts], axis)


@rule("flip")
def _flip(site: Site, a: Value, axes: Sequence[int]) -> Value:
    for axis in axes:
        places = [site.builder.slice(a, axis, place, place + 1) for place in reversed(range(a.shape[axis]))]
        a = site.builder.cat(places, axis)
    return a


@rule("slice_scatter")
def _slice_scatter(
    site: Site, a: Value, part: Value, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1
) -> Value:
    if step != 1:
        message = f"slice_scatter with step {step}"
        raise UnknownFormError(message)
    low = slice(start, stop).indices(a.shape[axis])[0]
    high = low + part.shape[axis]
    before, after = site.builder.slice(a, axis, 0, low), site.builder.slice(a, axis, high, a.shape[axis])
    return site.builder.cat([before, part, after], axis)


@rule("select_scatter")
def _select_scatter(site: Site, a: Value, part: Value, axis: int, place: int) -> Value:
    place %= a.shape[axis]
    wide = site.builder.reshape(part, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))
    return _slice_scatter(site, a, wide, axis, place)


@rule("constant_pad_nd")
def _pad(site: Site, a: Value, widths: Sequence[int], value: float = 0) -> Value:
    if min(widths) < 0:
        message = "padding by a negative number"
        raise UnknownFormError(message)
    for place in range(len(widths) // 2):
        axis = len(a.shape) - 1 - place
        sides = [
            site.builder.expand(site.typed(value, a.dtype), (*a.shape[:axis], count, *a.shape[axis + 1 :]))
            for count in widths[2 * place : 2 * place + 2]
        ]
        a = site.builder.cat([sides[0], a, sides[1]], axis)
    return a


@rule("gather")
def _gather(site: Site, a: Value, axis: int, index: Value) -> Value:
    """The chosen elements, by comparing every place with the index and adding up: lanes choose differently."""
    axis %= len(a.shape)
    for other, length in enumerate(index.shape):
        if other != axis:
            a = site.builder.slice(a, other, 0, length)
    last = [*(other for other in range(len(a.shape)) if other != axis), axis]
    rows = site.builder.permute(a, last)
    rows = site.builder.reshape(rows, (*rows.shape[:axis], 1, *rows.shape[axis:]))
    chosen = site.builder.reshape(index, (*index.shape, 1))
    here = site.compare("eq", chosen, _count(site, a.shape[axis]))
    picked = site.builder.map("where", [here, rows, site.typed(0, a.dtype)], a.dtype)
    return site.builder.reduce("sum", picked, [len(index.shape)])


@rule("scatter")
def _scatter(site: Site, a: Value, axis: int, index: Value, source: Any) -> Value:
    """A value (or an array) written where the index, one along the axis, says."""
    axis %= len(a.shape)
    fits = index.shape[axis] == 1 and all(
        length == a.shape[place] for place, length in enumerate(index.shape) if place != axis
    )
    if not fits or (isinstance(source, Value) and source.shape not in {index.shape, ()}):
        message = "scatter of several elements along its axis"
        raise UnknownFormError(message)
    places = _count(site, a.shape[axis])
    places = site.builder.reshape(places, [-1 if place == axis else 1 for place in range(len(a.shape))])
    return site.where(site.compare("eq", index, places), source, a)


@rule("max_dim", "min_dim")
def _extreme(site: Site, a: Value, axis: int, keep: bool = False, *, function: str = "max") -> list[Value]:
    """Largest element along an axis, and the first place where it is."""
    axis %= len(a.shape)
    best = site.builder.reduce(function, a, [axis], keep=True)
    count = a.shape[axis]
    places = site.builder.reshape(_count(site, count), [-1 if n == axis else 1 for n in range(len(a.shape))])
    here = site.builder.map("eq", [a, best], "bool")
    found = site.builder.map("where", [here, places, site.builder.number(count - 1, "int64")], "int64")
    first = site.builder.reduce("min", site.builder.expand(found, a.shape), [axis], keep=keep)
    return [best if keep else site.builder.reshape(best, first.shape), first]


RULES["min_dim"] = partial(_extreme, function="min")


@rule("embedding")
def _embedding(site: Site, table: Value, index: Value, *_: Any) -> Value:
    flat = site.builder.reshape(index, (index.size, 1))
    here = site.compare("eq", flat, _count(site, table.shape[0]))
    picked = site.builder.matmul(site.builder.convert(here, table.dtype), table)
    return site.builder.reshape(picked, (*index.shape, table.shape[1]))


@rule("_to_copy", "to")
def _to_copy(site: Site, a: Value, **_: Any) -> Value:
    if a.dtype in FLOATS and site.dtype not in FLOATS:
        message = f"conversion of {a.dtype} to {site.dtype}"
        raise UnknownFormError(message)
    return site.typed(a, site.dtype)


@rule("full_like", "full", "new_full")
def _full(site: Site, _first: Any, number: float, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(number, site.dtype), site.shape)


@rule("zeros_like", "zeros", "new_zeros", "empty", "empty_like", "new_empty", "empty_permuted", "new_empty_strided")
def _zeros(site: Site, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(0, site.dtype), site.shape)


@rule("ones_like", "ones", "new_ones")
def _ones(site: Site, *_: Any, **__: Any) -> Value:
    return site.builder.expand(site.typed(1, site.dtype), site.shape)


@rule("scalar_tensor")
def _scalar(site: Site, number: float, **_: Any) -> Value:
    return site.typed(number, site.dtype)


@rule("arange")
def _arange(site: Site, *bounds: int, **_: Any) -> Value:
    start, step = (bounds[0] if len(bounds) > 1 else 0), (bounds[2] if len(bounds) > 2 else 1)
    return site.builder.array((start + step * np.arange(site.shape[0])).astype(site.dtype))


@rule("copy")
def _copy(site: Site, a: Value, source: Value, *_: Any) -> Value:
    return site.builder.expand(site.typed(source, a.dtype), a.shape)


def _count(site: Site, length: int) -> Value:
    return site.builder.array(np.arange(length))


def _axes(axes: Any) -> list[int] | None:
    if axes is None:
        return None
    return [axes] if isinstance(axes, int) else list(axes)


def _last(stop: Any) -> int:
    return 2**62 if stop is None else int(stop)
