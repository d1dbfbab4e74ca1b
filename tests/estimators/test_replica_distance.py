import itertools

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.replica_distance import estimate

RNG = np.random.default_rng(0)


def by_pairs(points):
    pairs = itertools.combinations(points, 2)
    return np.mean([((one - other) ** 2).sum(axis=1) for one, other in pairs], axis=0)


def test_mean_over_pairs_and_jackknife():
    points = RNG.normal(size=(7, 3, 5)) + 1e3
    found = estimate(points, 10)
    assert np.allclose(found.value, by_pairs(points) / 10, rtol=1e-9)
    without = [by_pairs(np.delete(points, k, axis=0)) / 10 for k in range(7)]
    error = np.sqrt(6 / 7 * ((without - np.mean(without, axis=0)) ** 2).sum(axis=0))
    assert np.allclose(found.high - found.value, 2.446912 * error, rtol=1e-6)
    assert found.pieces == 7
    assert "5 random projections, relative error 0.63" in found.note


def test_two_replicas_have_no_error():
    found = estimate(RNG.normal(size=(2, 1, 4)), 4)
    assert (found.low[0], found.high[0], found.note) == (0, np.inf, "")


@pytest.mark.parametrize("replicas", [5, 10])
def test_intervals_hold_the_truth(replicas):
    """Gaussian replicas of variance 1: distance 2. 1000 times, 4 sigma; that of the pairs as if independent fails."""
    points = RNG.normal(size=(replicas, 1000, 30))
    found = estimate(points, 30, level=0.9)
    held = np.mean((found.low < 2) & (2 < found.high))
    assert abs(held - 0.9) < 4 * np.sqrt(0.09 / 1000)
    pairs = np.array([((a - b) ** 2).sum(axis=1) / 30 for a, b in itertools.combinations(points, 2)])
    half = 1.645 * pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    assert np.mean(np.abs(pairs.mean(axis=0) - 2) < half) < 0.9 - 4 * np.sqrt(0.09 / 1000)


def test_gradient_descent_has_distance_0():
    found = estimate(np.ones((4, 2, 3)), 3)
    assert found.value.tolist() == found.high.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("record", "options", "says"),
    [
        (np.ones((3, 4)), {}, r"has shape \(3, 4\)"),
        (np.ones((1, 4, 2)), {}, "has 1 replica"),
        (np.full((3, 4, 2), np.nan), {}, "not finite in replica 0, 1, 2"),
        (np.ones((3, 4, 9)), {}, "9 coordinates, but parameters is 8"),
        (np.ones((3, 4, 2)), {"level": 0}, "level is 0"),
    ],
)
def test_bad_input_is_named(record, options, says):
    with pytest.raises(ConfigError, match=says):
        estimate(record, 8, **options)
