"""What counts as a whole number of a range, and how the rest is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.numerics.whole_number import check_whole_number


@pytest.mark.parametrize("value", [1, 3, 5, np.int64(2)])
def test_both_ends_are_allowed(value: int) -> None:
    check_whole_number("workers", value, 1, 5)


def test_without_a_bound_any_size_is_allowed() -> None:
    check_whole_number("seed", 10**30, 0)


@pytest.mark.parametrize("value", [0, 6, True, 2.0, "2", None, float("nan")])
def test_the_rest_is_named_with_what_is_allowed(value: Any) -> None:
    told = re.escape(f"workers is {value!r}; it must be a whole number from 1 to 5")
    with pytest.raises(ValueError, match=f"^{told}$"):
        check_whole_number("workers", value, 1, 5)


@pytest.mark.parametrize("value", [-1, False, 0.0])
def test_without_a_bound_the_least_is_named(value: Any) -> None:
    told = re.escape(f"seed is {value!r}; it must be a whole number, 0 or larger")
    with pytest.raises(ValueError, match=f"^{told}$"):
        check_whole_number("seed", value, 0)


def test_what_is_counted_and_powers_of_two_are_written_as_people_say_them() -> None:
    with pytest.raises(
        ConfigError, match=r"^every is 0; it must be a whole number of steps from 1 to 2\^32 − 1$"
    ):
        check_whole_number("every", 0, 1, 2**32 - 1, of="steps", error=ConfigError)
