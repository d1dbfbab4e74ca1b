"""ln P(−σ)/P(σ) against σ: exactly −σ for single steps with Gaussian noise, from any start."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import (
    detailed_fluctuation,
    detailed_fluctuation_curve,
    trajectory_entropy,
)

ORIGIN = np.zeros(3)


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_the_slope_is_minus_1_from_any_start(turning, spread):
    record = turning.simulate(20_000, 2, spread=spread)
    found = detailed_fluctuation(trajectory_entropy(record, turning.entropy_force, centre=ORIGIN))
    assert abs(found.value + 1) < 2 * (found.high - found.value)
    assert found.high - found.value < 0.15


def test_one_long_record(turning):
    sigma = trajectory_entropy(turning.simulate(1, 60_000), turning.entropy_force, centre=ORIGIN)
    found = detailed_fluctuation(sigma)
    assert abs(found.value + 1) < 2 * (found.high - found.value)


@pytest.mark.parametrize("slope", [-2.0, -1.0, 0.0, 0.7])
def test_gaussian_entropy_of_any_slope(slope):
    """σ of mean −slope/2 × variance has ln P(−σ)/P(σ) = slope × σ; −1 is not built in."""
    sigma = np.random.default_rng(1).normal(-slope / 2 * 1.5, np.sqrt(1.5), size=(40, 1000))
    found = detailed_fluctuation(sigma)
    assert abs(found.value - slope) < 2 * (found.high - found.value)
    assert found.high - found.value < 0.06


def test_a_unit_of_entropy_changes_the_slope_only():
    sigma = np.random.default_rng(2).normal(1.0, np.sqrt(2.0), size=(40, 500))
    assert detailed_fluctuation(1e-4 * sigma).value == pytest.approx(
        1e4 * detailed_fluctuation(sigma).value, rel=1e-9
    )


@pytest.mark.parametrize("bins", [5, 21, 51])
def test_the_number_of_bins_hardly_matters(bins):
    sigma = np.random.default_rng(3).normal(1.0, np.sqrt(2.0), size=(40, 2500))
    found = detailed_fluctuation(sigma, bins=bins)
    assert abs(found.value + 1) < 2 * (found.high - found.value)
    assert found.high - found.value < 0.025


def test_the_curve_by_hand():
    sigma = np.random.default_rng(4).normal(1.0, np.sqrt(2.0), size=(25, 400))
    centres, curve = detailed_fluctuation_curve(sigma, bins=7)
    width = centres[0]
    assert centres == pytest.approx(width * np.arange(1, 4))
    rare = np.sort(sigma[sigma < 0])[9]
    assert 3.5 * width == pytest.approx(-rare)
    for centre, value, low, high in zip(centres, curve.value, curve.low, curve.high, strict=True):
        below = ((sigma >= -centre - width / 2) & (sigma < -centre + width / 2)).sum()
        above = ((sigma > centre - width / 2) & (sigma <= centre + width / 2)).sum()
        assert value == pytest.approx(np.log(below / above))
        assert low < value < high


def test_an_empty_bin_has_an_open_end():
    sigma = np.array([[-1.0, *np.full(20, 1.0), *np.full(30, 0.5)]])
    centres, curve = detailed_fluctuation_curve(sigma, bins=5)
    place = int(np.argmin(np.abs(centres - 0.5)))
    assert curve.value[place] == -np.inf
    assert curve.low[place] == -np.inf
    assert np.isfinite(curve.high[place])


@pytest.mark.parametrize(
    ("sigma", "bins", "message"),
    [
        (np.ones((3, 4)), 21, "0 of 12 windows have sigma < 0"),
        (-np.ones((3, 4)), 21, "12 of 12 windows have sigma < 0"),
        (np.ones((3, 4)), 20, "bins is 20"),
        (np.ones((3, 4)), 1, "bins is 1"),
        (np.array([[-0.001, *np.ones(30)]]), 3, "use shorter"),
        (np.full((2, 2), np.nan), 3, "NaN"),
    ],
)
def test_no_slope(sigma, bins, message):
    with pytest.raises(ConfigError, match=message):
        detailed_fluctuation(sigma, bins=bins)
