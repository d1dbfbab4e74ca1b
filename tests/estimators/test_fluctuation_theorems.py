"""Entropy along trajectories of a linear process, and the theorems it obeys."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import (
    entropy_production,
    integral_fluctuation,
    trajectory_entropy,
)

ORIGIN = np.zeros(3)


def half(found):
    return (found.high - found.low) / 2


def test_entropy_by_hand(turning):
    """Σ_k (W δ)_k Δθ_k, one step at a time; the last, incomplete window is dropped."""
    record = turning.simulate(2, 9)
    force = turning.entropy_force
    found = trajectory_entropy(record, force, length=3, centre=ORIGIN)
    assert found.shape == (2, 2)
    for trajectory in range(2):
        for window in range(2):
            expected = 0.0
            for step in range(3 * window, 3 * window + 3):
                before, after = record[trajectory, step], record[trajectory, step + 1]
                expected += float((force @ before) @ (after - before))
            assert found[trajectory, window] == pytest.approx(expected, rel=1e-12)


def test_the_default_centre_is_the_mean(turning):
    record = turning.simulate(3, 50)
    shifted = trajectory_entropy(record + 5.0, turning.entropy_force)
    assert shifted == pytest.approx(
        trajectory_entropy(record, turning.entropy_force, centre=record.mean(axis=(0, 1))), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize(("trajectories", "times", "length"), [(40, 1001, 1), (40, 1001, 10), (1, 40_001, 1)])
def test_entropy_production_per_update(turning, trajectories, times, length):
    """Within 4 standard errors, that is 2 half widths, of tr Wᵀ(A − I)Σ."""
    sigma = trajectory_entropy(turning.simulate(trajectories, times), turning.entropy_force, length=length)
    found = entropy_production(sigma, length=length)
    assert abs(found.value - turning.entropy_production) < 2 * half(found)
    assert half(found) < 0.1 * turning.entropy_production
    assert found.unit == "per update"


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_the_integral_theorem_holds_from_any_start(turning, spread):
    """3-sd starts, 9 times the covariance, are no equilibrium; ⟨exp(−σ)⟩ does not notice."""
    record = turning.simulate(4000, 2, spread=spread, seed=3)
    found = integral_fluctuation(trajectory_entropy(record, turning.entropy_force, centre=ORIGIN))
    assert abs(found.value - 1) < 2 * half(found)
    assert half(found) < 0.15
    assert "does not test equilibration" in found.note


def test_a_force_of_the_wrong_sign_fails_the_theorem(turning):
    """Negative control."""
    record = turning.simulate(4000, 2)
    found = integral_fluctuation(trajectory_entropy(record, -0.5 * turning.entropy_force, centre=ORIGIN))
    assert abs(found.value - 1) > 4 * half(found)


def test_a_tail_that_is_not_sampled_is_reported():
    sigma = np.zeros((50, 40))
    assert integral_fluctuation(sigma).pieces == 50
    sigma[3, 5] = -6.0
    found = integral_fluctuation(sigma)
    weights = np.exp(-sigma)
    assert "tail not sampled" in found.note
    assert found.pieces == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_few_equal_windows_are_no_tail():
    """Of 50 windows each is 2 % of the sum, which says nothing about a tail."""
    assert "tail" not in integral_fluctuation(np.zeros((50, 1))).note


def test_one_sequence_of_windows_may_be_given_flat():
    sigma = np.random.default_rng(0).normal(size=200)
    assert entropy_production(sigma).value == entropy_production(sigma[None]).value


def test_wrong_arguments(turning):
    record = turning.simulate(3, 5)
    with pytest.raises(ConfigError, match="length is 0"):
        trajectory_entropy(record, turning.entropy_force, length=0)
    with pytest.raises(ConfigError, match="at least 6 are needed"):
        trajectory_entropy(record, turning.entropy_force, length=5)
    with pytest.raises(ConfigError, match="entropy_force has shape"):
        trajectory_entropy(record, np.eye(2))
    with pytest.raises(ConfigError, match="at least 2 windows"):
        entropy_production([1.0])
    with pytest.raises(ConfigError, match="length is 0"):
        entropy_production([1.0, 2.0], length=0)
    with pytest.raises(ConfigError, match="window 1 of trajectory 0"):
        entropy_production([[1.0, np.nan]])
    with pytest.raises(ConfigError, match="overflows"):
        integral_fluctuation([[0.0, -800.0]])
