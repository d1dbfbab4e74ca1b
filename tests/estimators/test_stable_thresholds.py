"""The longest run of agreeing thresholds against every run tried in turn, and which thresholds may be used at all."""

import numpy as np
import pytest

from thermograd.estimators.stable_thresholds import (
    dependence_on_threshold,
    stable_thresholds,
    threshold_grid,
)
from thermograd.estimators.threshold_times import ThresholdTimes

WAITING = np.rint(np.geomspace(10, 1000, 9)).astype(int)


def times_with(slopes, too_short=None):
    """Exact power laws with these slopes, one for each threshold."""
    slopes = np.asarray(slopes, float)
    times = np.power(WAITING[:, None].astype(float), slopes[..., None, :])
    flags = np.zeros(times.shape, bool) if too_short is None else too_short
    levels = threshold_grid(1.0, 1e4)[: slopes.shape[-1]]
    return ThresholdTimes(WAITING, levels, times, flags)


def longest(slopes, first=0):
    best = (first, first)
    for start in range(first, len(slopes)):
        for stop in range(start + 1, len(slopes) + 1):
            agrees = max(slopes[start:stop]) - min(slopes[start:stop]) <= 0.05
            if agrees and stop - start > best[1] - best[0]:
                best = (start, stop)
    return best


def naive(slopes):
    best = longest(slopes)
    higher = longest(slopes, best[1])
    long = higher[1] - higher[0] >= max(3, (best[1] - best[0]) / 2)
    if long and np.mean(slopes[slice(*higher)]) > np.mean(slopes[slice(*best)]) + 0.1:
        best = higher
    if best[1] - best[0] < 3:
        best = (len(slopes) // 2, len(slopes) // 2 + 1)
    chosen = np.zeros(len(slopes), bool)
    chosen[slice(*best)] = True
    return chosen


def test_the_longest_run_that_agrees_for_many_at_once():
    steps = np.random.default_rng(0).normal(size=(200, 14))
    slopes = np.cumsum(steps * np.geomspace(0.005, 0.5, 200)[:, None], axis=1)
    expected = np.array([naive(row) for row in slopes])
    np.testing.assert_array_equal(stable_thresholds(times_with(slopes)), expected)
    assert len(set(expected.sum(axis=1).tolist())) > 5
    assert (expected.sum(axis=1) == 1).any()


def test_without_three_that_agree_the_middle_one_is_taken_and_the_note_says_why():
    found = times_with(np.linspace(0.2, 0.8, 6))
    chosen = stable_thresholds(found)
    assert np.flatnonzero(chosen).tolist() == [3]
    assert dependence_on_threshold(found, chosen) == "depends on the threshold: 0.20 at 1, 0.80 at 6.8"
    assert not dependence_on_threshold(times_with([0.5] * 6), np.ones(6, bool))
    assert not dependence_on_threshold(times_with([0.5]), np.ones(1, bool))


def test_a_threshold_inside_the_first_lag_of_one_waiting_time_is_not_used():
    too_short = np.zeros((9, 5), bool)
    too_short[4, 1] = True
    chosen = stable_thresholds(times_with([0.5] * 5, too_short))
    assert chosen.tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(("censored", "usable"), [(3, True), (4, False)])
def test_six_waiting_times_over_a_decade_are_needed(censored, usable):
    found = times_with([0.5] * 4)
    found.times[9 - censored :] = np.nan
    assert (stable_thresholds(found).sum() == 4) == usable
    found.times[:] = WAITING[:, None] ** 0.5
    found.times[[0, 1, 8]] = np.nan  # 6 times from 32 to 562, 1.25 decades
    assert stable_thresholds(found).all()
    found.times[[7]] = np.nan
    assert not stable_thresholds(found).any()


def test_the_grid_has_six_to_a_decade_and_powers_of_ten_are_on_it():
    grid = threshold_grid(3e-4, 0.2)
    assert grid[0] <= 3e-4
    assert grid[-1] >= 0.2
    np.testing.assert_allclose(np.diff(np.log10(grid)), 1 / 6)
    assert np.isclose(grid, 1e-3).any()


def test_another_range_that_agrees_on_another_exponent_is_told():
    found = times_with([0.1] * 8 + [0.4] + [0.75] * 3)
    chosen = stable_thresholds(found)
    assert chosen.tolist() == [True] * 8 + [False] * 4
    assert dependence_on_threshold(found, chosen) == "another range of thresholds has 0.75: 32…68"
    near = times_with([0.5] * 5 + [0.56] * 4)
    assert not dependence_on_threshold(near, stable_thresholds(near))


def test_of_noise_and_aging_the_aging_is_taken():
    """Two ranges of which the lower one is longer: small displacements are those of the noise."""
    found = times_with([0.05] * 6 + [0.4] + [0.75] * 3)
    chosen = stable_thresholds(found)
    assert chosen.tolist() == [False] * 7 + [True] * 3
    assert dependence_on_threshold(found, chosen) == "another range of thresholds has 0.05: 1…6.8"


def test_a_smaller_exponent_above_is_not_taken():
    found = times_with([0.75] * 6 + [0.4] + [0.05] * 5)
    assert stable_thresholds(found).tolist() == [True] * 6 + [False] * 6
