"""Rules for arithmetic, reductions and products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from thermograd.ensemble.engines.kernel.aten_site import RULES, Site, UnknownFormError, rule
from thermograd.ensemble.engines.kernel.ir import COMPARISONS, UNARY, Value

_UNARY = {name: name for name in UNARY if name not in {"not", "is_nan"}}
_UNARY |= {"sgn": "sign", "isnan": "is_nan", "logical_not": "not", "bitwise_not": "not"}
_BINARY = {"mul": "mul", "pow": "pow", "maximum": "max", "minimum": "min"}
_BINARY |= {"logical_and": "and", "bitwise_and": "and", "logical_or": "or", "bitwise_or": "or"}


def _unary(function: str, site: Site, a: Value) -> Value:
    return site.builder.map(function, [a if function == "is_nan" else site.typed(a, site.dtype)], site.dtype)


def _binary(function: str, site: Site, a: Any, b: Any) -> Value:
    if function in {"and", "or"} and site.dtype != "bool":
        message = "bitwise operation on whole numbers"
        raise UnknownFormError(message)
    return site.map(function, a, b)


def _comparison(function: str, site: Site, a: Any, b: Any) -> Value:
    return site.compare(function, a, b)


RULES.update({name: partial(_unary, function) for name, function in _UNARY.items()})
RULES.update({name: partial(_binary, function) for name, function in _BINARY.items()})
RULES.update({name: partial(_comparison, name) for name in COMPARISONS})


@rule("add")
def _add(site: Site, a: Any, b: Any, alpha: float = 1) -> Value:
    return site.map("add", a, b if alpha == 1 else site.map("mul", b, alpha))


@rule("sub")
def _sub(site: Site, a: Any, b: Any, alpha: float = 1) -> Value:
    return site.map("sub", a, b if alpha == 1 else site.map("mul", b, alpha))


@rule("rsub")
def _rsub(site: Site, a: Any, b: Any, alpha: float = 1) -> Value:
    return _sub(site, b, a, alpha)


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
def _var(
    site: Site, a: Value, axes: Any = None, correction: float | None = 1, keepdim: bool = False
) -> Value:
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
    variance = site.map(
        "div", site.builder.reduce("sum", square, axes, keep=True), math.prod(shape), dtype=kind
    )
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


def _axes(axes: Any) -> list[int] | None:
    if axes is None:
        return None
    return [axes] if isinstance(axes, int) else list(axes)
