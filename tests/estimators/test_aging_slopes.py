"""Pooled and single slopes against least squares with an intercept for each threshold."""

import numpy as np
import pytest

from thermograd.estimators.aging_slopes import aging_slopes, collapse

WAITING = np.array([1, 3, 10, 40, 100, 500])


def noisy(seed=0):
    generator = np.random.default_rng(seed)
    times = np.exp(
        0.6 * np.log(WAITING)[:, None] + np.arange(4) + 0.1 * generator.normal(size=(WAITING.size, 4))
    )
    times[generator.uniform(size=times.shape) < 0.3] = np.nan
    times[2:, 3] = np.nan  # too few
    return times


def reference(times):
    """Dummies for the intercepts, one slope: coefficients and residuals of the thresholds with 3 times."""
    rows, heights = [], []
    for column in range(times.shape[1]):
        known = np.flatnonzero(np.isfinite(times[:, column]))
        for row in known if known.size >= 3 else []:
            rows.append(np.append(np.eye(times.shape[1])[column], np.log(WAITING[row])))
            heights.append(np.log(times[row, column]))
    design, y = np.array(rows), np.array(heights)
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    return found[-1], y - design @ found


@pytest.mark.parametrize("seed", range(4))
def test_one_slope_with_an_intercept_for_each_threshold(seed):
    times = noisy(seed)
    slope, residuals = reference(times)
    found = aging_slopes(WAITING, times)
    assert float(found.common) == pytest.approx(slope, rel=1e-12)
    assert collapse(WAITING, times, slope) == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-12)
    for column in range(4):
        known = np.isfinite(times[:, column])
        if known.sum() < 3:
            assert np.isnan(found.each[column])
        else:
            line = np.polyfit(np.log(WAITING[known]), np.log(times[known, column]), 1)
            assert found.each[column] == pytest.approx(line[0], rel=1e-12)


def test_resamples_are_taken_one_by_one():
    times = np.stack([noisy(0), noisy(1)])
    both = aging_slopes(WAITING, times)
    for row in range(2):
        alone = aging_slopes(WAITING, times[row])
        assert both.common[row] == alone.common
        np.testing.assert_array_equal(both.each[row], alone.each)


def test_too_few_times_have_no_slope():
    times = np.full((6, 2), np.nan)
    times[:2] = 1.0
    found = aging_slopes(WAITING, times)
    assert np.isnan(found.common)
    assert np.isnan(found.each).all()
    assert np.isnan(collapse(WAITING, times, 1.0))


def test_a_power_law_collapses_with_its_exponent_and_not_without():
    times = WAITING[:, None] ** 0.7 * np.array([1.0, 5.0])
    assert collapse(WAITING, times, 0.7) == pytest.approx(0, abs=1e-12)
    assert collapse(WAITING, times, 0.0) == pytest.approx(0.7 * np.log(WAITING).std())
