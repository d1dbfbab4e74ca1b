"""Where a rule turns an operation of a traced torch function into the kernel's own terms, and the register of rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from thermograd.ensemble.engines.kernel.ir import FLOATS, Builder, Value

Rule = Callable[..., Any]
AnyRule = TypeVar("AnyRule", bound=Rule)
RULES: dict[str, Rule] = {}
"""By name of the operation, or by name and overload, `max_dim`."""

_SHORTER = {torch.uint8, torch.int8, torch.int16, torch.int32}
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
    """The name of a type; shorter whole numbers are taken for long ones.

    Raises:
        UnknownFormError: it is none of those that the kernel has.
    """
    if dtype in _SHORTER:
        return "int64"
    if dtype not in _GRADED:
        message = f"type {str(dtype).removeprefix('torch.')}"
        raise UnknownFormError(message)
    return str(dtype).removeprefix("torch.")


def _kind(operand: Any) -> int:
    """0 truth values, 1 whole numbers, 2 real numbers."""
    if isinstance(operand, Value):
        return 2 if operand.dtype in FLOATS else int(operand.dtype != "bool")
    return 0 if isinstance(operand, bool) else 1 if isinstance(operand, int) else 2


def rule(*names: str) -> Callable[[AnyRule], AnyRule]:
    """Register a rule for operations by name."""

    def register(function: AnyRule) -> AnyRule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register
