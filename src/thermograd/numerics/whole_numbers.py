"""One check of arrays of counts and steps: whole numbers, in the same words everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers

_LARGEST = 2.0**53  # above it float64 skips whole numbers


def whole_numbers(name: str, value: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """An array of whole numbers, of any shape; 3.0 is one.

    Args:
        name: of the argument.
        value: its value.

    Returns:
        The array, in int64.

    Raises:
        ConfigError: a ValueError: no array of real numbers, or one of them is not whole, or above 2^53.

    >>> whole_numbers("times", [1.0, 2.0]).tolist()
    [1, 2]
    >>> whole_numbers("times", [1, 2.5])
    Traceback (most recent call last):
    thermograd.errors.ConfigError: times hold 2.5; they must be whole numbers
    """
    numbers = real_numbers(name, value)
    wrong = ~((np.abs(numbers) <= _LARGEST) & (numbers == np.rint(numbers)))
    if wrong.any():
        message = f"{name} hold {numbers[wrong][0]:g}; they must be whole numbers"
        raise ConfigError(message)
    return numbers.astype(np.int64)
