"""The divergence from a known Gaussian: without bias where it vanishes and where it does not, with honest intervals."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.posterior import gaussian_kl

REPETITIONS = 300
COVARIANCE = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.3]])
MEAN = np.array([3.0, -1.0, 0.5])


def divergence(mean, covariance, other_mean, other_covariance):
    """KL of two Gaussians in bits, as the textbooks write it."""
    inverse = np.linalg.inv(other_covariance)
    away = mean - other_mean
    logarithm = np.log(np.linalg.det(covariance) / np.linalg.det(other_covariance))
    return (np.trace(inverse @ covariance) - len(mean) + away @ inverse @ away - logarithm) / 2 / np.log(2)


def drawn(quadratic, chains, draws, *, seed, **options):
    """Chains with the mean and the covariance above."""
    white = quadratic(np.ones(3)).positions(chains, draws, seed=seed, **options)
    return MEAN + white @ np.linalg.cholesky(COVARIANCE).T


CASES = {
    "8 chains": {"chains": 8, "draws": 300, "memory": 0.5},
    "many chains": {"chains": 40, "draws": 60, "memory": 0.5},
    "4 chains": {"chains": 4, "draws": 1000, "memory": 0.5},
    "1 chain": {"chains": 1, "draws": 3000, "memory": 0.7},
}


@pytest.mark.parametrize("heat", [1.0, 1.2])
@pytest.mark.parametrize("case", CASES)
def test_without_bias_and_with_intervals_that_hold_the_truth(quadratic, case, heat):
    """The mean of 300 within 4 standard errors; 285 ± 3.8 intervals hold it, and more where the divergence is 0."""
    options = CASES[case]
    truth = divergence(MEAN, heat * COVARIANCE, MEAN, COVARIANCE)
    found = [
        gaussian_kl(drawn(quadratic, seed=seed, heat=heat, **options), MEAN, COVARIANCE)
        for seed in range(REPETITIONS)
    ]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(REPETITIONS)
    assert sum(one.low < truth < one.high for one in found) >= 269


def test_the_plug_in_value_is_too_large(quadratic):
    """A negative control, and N (N + 3) / (4 ln 2 N_eff) = 0.0162 bits of 400 independent draws."""
    plugged = []
    for seed in range(REPETITIONS):
        points = drawn(quadratic, 8, 50, seed=seed).reshape(-1, 3)
        plugged.append(divergence(points.mean(axis=0), np.cov(points.T, bias=True), MEAN, COVARIANCE))
    error = np.std(plugged) / np.sqrt(REPETITIONS)
    assert np.mean(plugged) > 20 * error
    assert np.mean(plugged) == pytest.approx(18 / (4 * np.log(2) * 400), abs=4 * error)


def test_near_zero_it_may_be_negative_and_is_not_clipped(quadratic):
    values = np.array(
        [gaussian_kl(drawn(quadratic, 8, 50, seed=seed), MEAN, COVARIANCE).value for seed in range(40)]
    )
    assert 5 < (values < 0).sum() < 35


def test_a_shift_is_found(quadratic):
    moved = MEAN + 0.5
    found = gaussian_kl(drawn(quadratic, 16, 2000, seed=0), moved, COVARIANCE)
    truth = divergence(MEAN, COVARIANCE, moved, COVARIANCE)
    assert found.low < truth < found.high
    assert found.low > truth / 2
    assert found.unit == "bit"
    assert "taken off" in found.note


def test_the_floor_falls_with_more_draws(quadratic):
    few, many = (gaussian_kl(drawn(quadratic, 8, count, seed=0), MEAN, COVARIANCE) for count in (100, 10000))
    assert many.high - many.low < (few.high - few.low) / 10


@pytest.mark.parametrize(
    ("shape", "mean", "covariance", "message"),
    [
        ((8, 100), [0.0], [[1.0]], "chain, draw, N"),
        ((8, 100, 2), [0.0], np.eye(2), "mean"),
        ((8, 100, 2), [0.0, 0.0], -np.eye(2), "positive definite"),
        ((8, 1, 12), np.zeros(12), np.eye(12), "more draws"),
        ((8, 1, 7), np.zeros(7), np.eye(7), "more draws"),
        ((2, 5, 2), [0.0, 0.0], np.eye(2), "at least 16"),
    ],
)
def test_bad_input(shape, mean, covariance, message):
    with pytest.raises(ConfigError, match=message):
        gaussian_kl(np.random.default_rng(0).normal(size=shape), mean, covariance)
