"""One check of arrays of numbers: real, and numbers at all, in the same words everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError

_NUMBERS = "biufO"


def real_numbers(name: str, value: object) -> npt.NDArray[np.float64]:
    """An array of real numbers in float64, of any shape; not copied where it is one already.

    Args:
        name: of the argument.
        value: its value. NaN and infinity are let through, and None among numbers is NaN.

    Returns:
        The array.

    Raises:
        ConfigError: a ValueError: text, dates or complex numbers, rows of different length, or no numbers at all.

    >>> real_numbers("losses", [1, 2]).tolist()
    [1.0, 2.0]
    >>> real_numbers("losses", [[1.0], [2.0, 3.0]])
    Traceback (most recent call last):
    thermograd.errors.ConfigError: losses cannot be used as an array; give real numbers in rows of equal length
    """
    try:
        given = np.asarray(value)
        if value is not None and given.dtype.kind in _NUMBERS:
            return given.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        message = f"{name} cannot be used as an array; give real numbers in rows of equal length"
        raise ConfigError(message) from error
    kind = "None" if value is None else f"a {type(value).__name__}"
    found = f"is {kind}" if given.ndim == 0 else f"are {given.dtype}"
    message = f"{name} {found}; give real numbers"
    raise ConfigError(message)
