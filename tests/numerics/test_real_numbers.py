"""Arrays of numbers: what is taken as one, and in which words the rest is refused."""

import numpy as np
import pytest
import torch

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_numbers import whole_numbers


def test_an_array_that_fits_is_not_copied():
    given = np.arange(3.0)
    assert real_numbers("values", given) is given


@pytest.mark.parametrize(
    "given", [[1, 2], (1.0, 2.0), np.float32([1, 2]), [True, 2], torch.tensor([1.0, 2.0])]
)
def test_what_holds_numbers_is_an_array_of_them(given):
    assert real_numbers("values", given).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "given",
    [
        "x",
        b"x",
        ["1", "2"],
        1j,
        [1, 2j],
        {},
        object(),
        [[1.0], [2.0, 3.0]],
        np.array(["2020-01-01"], "M8[D]"),
        int,
    ],
)
def test_what_holds_none_is_refused_by_its_name(given):
    with pytest.raises(ConfigError, match=r"^values .*give real numbers"):
        real_numbers("values", given)


def test_weights_that_are_being_trained_are_no_record():
    with pytest.raises(ConfigError, match="cannot be used as an array"):
        real_numbers("values", torch.zeros(2, requires_grad=True))


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e30, 10**30])
def test_whole_numbers_are_whole(wrong):
    with pytest.raises(ConfigError, match=r"times hold .*; they must be whole numbers"):
        whole_numbers("times", [1, wrong])
