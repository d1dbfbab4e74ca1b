"""Kaplan-Meier against a loop over the textbook formula, its band against scipy's binomial interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import CensoredData, binomtest, ecdf

from thermograd.estimators.kaplan_meier import kaplan_meier, mean_with_tail


def naive(time, reached, counts, grid):
    """Product over event times, Greenwood's sum, both trajectory by trajectory."""
    lifetimes = np.repeat(time, counts)
    events = np.repeat(reached, counts)
    survival, scatter = [], []
    for now in grid:
        product, total = 1.0, 0.0
        for at in sorted(set(lifetimes[events & (lifetimes <= now)].tolist())):
            alive = int((lifetimes >= at).sum())
            dead = int((events & (lifetimes == at)).sum())
            product *= 1 - dead / alive
            total += dead / (alive * (alive - dead)) if alive > dead else 0.0
        survival.append(product)
        scatter.append(total)
    return np.array(survival), np.array(scatter)


@pytest.fixture
def censored():
    generator = np.random.default_rng(11)
    time = np.arange(1, 13)
    reached = generator.random(12) < 0.6
    return time, reached, generator.integers(1, 6, 12)


def test_agrees_with_the_loop_and_greenwood(censored):
    time, reached, counts = censored
    grid = np.arange(14)
    survival, scatter = naive(time, reached, counts, grid)
    steps = kaplan_meier(time, reached, counts)
    assert steps.at(grid) == pytest.approx(survival, abs=1e-14)
    between = (survival > 0) & (survival < 1)
    effective = steps.effective[np.searchsorted(steps.knots, grid, side="right") - 1]
    greenwood = survival**2 * scatter
    ours = survival * (1 - survival) / effective
    assert between.any()
    assert ours[between] == pytest.approx(greenwood[between], rel=1e-12)


def test_agrees_with_scipy_on_censored_data(censored):
    time, reached, counts = censored
    lifetimes, events = np.repeat(time, counts), np.repeat(reached, counts)
    reference = ecdf(CensoredData(uncensored=lifetimes[events], right=lifetimes[~events])).sf
    grid = np.arange(13)
    assert kaplan_meier(time, reached, counts).at(grid) == pytest.approx(reference.evaluate(grid), abs=1e-13)


def test_each_row_of_counts_is_its_own_estimate(censored):
    time, reached, counts = censored
    rows = np.stack([counts, counts[::-1], np.ones(12, int)])
    grid = np.arange(13)
    together = kaplan_meier(time, reached, rows).at(grid)
    for row, curve in zip(rows, together, strict=True):
        assert curve == pytest.approx(kaplan_meier(time, reached, row).at(grid), abs=1e-14)


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_band_is_the_exact_binomial_one_for_a_common_horizon(level):
    time = np.array([2, 4, 4, 6])
    reached = np.array([True, True, True, False])
    steps = kaplan_meier(time, reached, np.array([5, 3, 2, 10]))
    low, high = steps.band(np.arange(7), level)
    for now in range(7):
        alive = round(20 * steps.at(np.array([now]))[0])
        exact = binomtest(alive, 20).proportion_ci(level, "exact")
        assert (low[now], high[now]) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_band_at_zero_survivors_uses_all_runs():
    steps = kaplan_meier(np.array([1, 2]), np.array([True, True]), np.array([4, 6]))
    low, high = steps.band(np.array([2]), 0.95)
    exact = binomtest(0, 10).proportion_ci(0.95, "exact")
    assert (low[0], high[0]) == pytest.approx((0.0, exact.high), abs=1e-12)


def test_band_before_any_arrival_uses_those_still_watched():
    steps = kaplan_meier(np.array([3, 10]), np.array([False, False]), np.array([4, 1]))
    low, _ = steps.band(np.array([3, 5]), 0.95)
    assert low == pytest.approx([0.025 ** (1 / 5), 0.025], rel=1e-12)


def test_area_is_the_sum_of_the_curve(censored):
    steps = kaplan_meier(*censored)
    for horizon in (1, 5, 12):
        assert steps.area(horizon) == pytest.approx(steps.at(np.arange(horizon)).sum(), abs=1e-13)


def test_tail_of_a_constant_hazard():
    # Ten arrivals in an exposure of 100 after 2: hazard 0.1, so 10 more for the half that is left.
    time, reached = np.array([7, 7]), np.array([True, False])
    mean = mean_with_tail(time, reached, np.array([10, 10]), 7, 2)
    assert mean == pytest.approx(7 + 0.5 * 10.0)
    assert np.isinf(mean_with_tail(time, reached, np.array([10, 10]), 7, 7))
