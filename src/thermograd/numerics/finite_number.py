"""One check of rates, temperatures and other numbers that must be finite, in the same words everywhere."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any


def is_finite_number(value: Any) -> bool:
    """Whether it is a finite real number, of Python or of numpy; True and False are none.

    >>> [is_finite_number(value) for value in (1, 0.5, True, "1", float("nan"), float("inf"))]
    [True, True, False, False, False, False]
    """
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # a whole number above all of float64
        return False


def check_finite_number(
    name: str, value: Any, *, zero: bool = True, error: type[ValueError] = ValueError
) -> None:
    """Refuse what is no finite number, or is negative.

    Args:
        name: of the argument.
        value: its value.
        zero: whether 0 is allowed.
        error: what is raised.

    Raises:
        ValueError: it is not one.

    >>> check_finite_number("learning_rate", -0.1)
    Traceback (most recent call last):
    ValueError: learning_rate is -0.1; it must be a finite number, 0 or larger
    """
    if is_finite_number(value) and (value > 0 or (zero and value == 0)):
        return
    message = f"{name} is {value!r}; it must be a finite number, {'0 or larger' if zero else 'above 0'}"
    raise error(message)
