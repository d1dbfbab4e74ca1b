"""One check of the level of an interval, in the same words everywhere."""

from __future__ import annotations

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import is_finite_number


def checked_level(level: float) -> float:
    """The level itself, if it is one.

    Args:
        level: two-sided confidence.

    Raises:
        ConfigError: it is not between 0 and 1.

    >>> checked_level(95)
    Traceback (most recent call last):
    thermograd.errors.ConfigError: level is 95; it must be between 0 and 1, as 0.95
    """
    if not is_finite_number(level) or not 0 < level < 1:
        message = f"level is {level!r}; it must be between 0 and 1, as 0.95"
        raise ConfigError(message)
    return level
