"""A spectrum in a few numbers."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import spectrum_summary


def test_against_counting():
    values = np.concatenate([np.linspace(-1, 1, 101), [30.0, -7.0, 0.001]])
    shuffled = np.random.default_rng(0).permutation(values)
    summary = spectrum_summary(shuffled)
    assert summary.zero == pytest.approx(3e-3)
    assert summary.negative_fraction == pytest.approx(51 / 104)  # 50 and −7
    assert summary.near_zero_fraction == pytest.approx(2 / 104)
    assert summary.trace == pytest.approx(values.sum())
    assert summary.largest == 30
    assert summary.outliers.tolist() == [-7, 30]
    assert summary.whiskers == (-1, 1)
    assert summary.quartiles == tuple(np.percentile(values, [25, 50, 75]))
    assert "2 outliers, largest 30" in str(summary)


def test_zero_can_be_chosen():
    assert spectrum_summary([-0.1, 0.0, 1.0], zero=0.2).negative_fraction == 0
    assert spectrum_summary([-0.1, 0.0, 1.0], zero=0.0).negative_fraction == pytest.approx(1 / 3)
    nothing = spectrum_summary(np.zeros(5))
    assert (nothing.near_zero_fraction, nothing.negative_fraction, nothing.outliers.size) == (1, 0, 0)


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, float("nan")]])
def test_what_is_no_spectrum(values):
    with pytest.raises(ConfigError, match="finite numbers"):
        spectrum_summary(values)
    with pytest.raises(ConfigError, match="zero is -1"):
        spectrum_summary([1.0], zero=-1)
