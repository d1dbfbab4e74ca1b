import numpy as np
import pytest
from scipy import stats

from thermograd.estimators.displacement_drift import displacement_drift, welch

RNG = np.random.default_rng(0)


def test_welch_is_that_of_scipy():
    for sizes in ((4, 9), (20, 5)):
        one, other = (RNG.normal(0, 1 + k, size) for k, size in enumerate(sizes))
        expected = stats.ttest_ind(one, other, equal_var=False).pvalue
        assert welch(one, other) == pytest.approx(expected, rel=1e-10)
    assert welch(np.ones(4), np.ones(4)) == 1
    assert welch(np.ones(4), 2 * np.ones(4)) == 0


def stationary_pairs(count, rows=8):
    """D(5) and D(10) of rows at two ages, both mean squares of 40 correlated numbers, scatter 22 %."""
    steps = RNG.normal(size=(count, 2, rows, 40, 2))
    five = np.square(steps).mean(axis=(-1, -2))
    ten = (five + np.square(RNG.normal(size=(*five.shape, 40))).mean(-1)) / 2
    lags = np.ones((*five.shape, 10))
    return lags * np.where(np.arange(10) < 5, five[..., None], ten[..., None])


def test_false_alarms_are_rarer_than_one_in_a_thousand():
    """8000 stationary cases, binomial, 4 sigma above 10⁻³; a limit of 3 standard errors alarms far more often."""
    pairs = stationary_pairs(8000)
    alarms = np.mean([displacement_drift(*pair, 10, 0.01).found for pair in pairs])
    assert alarms < 1e-3 + 4 * np.sqrt(1e-3 / 8000)
    mean, error = pairs.mean(axis=2), pairs.std(axis=2, ddof=1) / np.sqrt(8)
    apart = np.abs(mean[:, 0] - mean[:, 1]) > 3 * np.sqrt((error**2).sum(axis=1))
    assert 0.008 < apart[:, [4, 9]].any(axis=1).mean() < 0.04


def test_what_falls_by_orders_of_magnitude_is_found():
    """A factor 100 among 6 rows that scatter by a factor e: the t-test of D itself has no power there."""
    rows = np.exp(RNG.normal(size=(200, 2, 6)))[..., None] * np.ones(10)
    found = [displacement_drift(100 * pair[0], pair[1], 10, 0.1) for pair in rows]
    raw = [welch(100 * pair[0, :, 0], pair[1, :, 0]) for pair in rows]
    assert np.mean([one.found for one in found]) > 0.7
    assert np.mean(np.array(raw) < 5e-4) < 0.05


def test_what_is_found():
    rows = stationary_pairs(1)[0]
    found = displacement_drift(3 * rows[0], rows[1], 10, 0.1)
    assert found.found
    assert found.chance < 5e-4
    assert found.earlier == pytest.approx(3 * rows[0, :, found.lag - 1].mean())
    assert found.later == pytest.approx(rows[1, :, found.lag - 1].mean())
    assert not displacement_drift(rows[0][:3], 3 * rows[1], 10, 0.1).tested
    assert not displacement_drift(1.05 * np.ones((8, 10)), np.ones((8, 10)), 10, 0.1).found
