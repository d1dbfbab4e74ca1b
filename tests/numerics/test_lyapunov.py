"""Lyapunov equations against scipy and the N² system."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from thermograd.errors import ConfigError
from thermograd.numerics.lyapunov import Relaxation, RelaxationModes, relaxation_of, stationary_covariance


def noise(size, seed=1):
    root = np.random.default_rng(seed).normal(size=(size, size))
    return root @ root.T


def symmetric(size, seed=0):
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return turn @ np.diag(np.geomspace(1e-3, 1.5, size)) @ turn.T


def general(size, seed=0):
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    return np.eye(size) - 0.95 * matrix / np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize("make", [symmetric, general])
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_discrete_against_scipy(make, size):
    relaxation = make(size)
    found = stationary_covariance(relaxation, noise(size))
    expected = solve_discrete_lyapunov(np.eye(size) - relaxation, noise(size))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert np.array_equal(found, found.T) or np.abs(found - found.T).max() < 1e-14 * np.abs(found).max()


@pytest.mark.parametrize("make", [symmetric, general])
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_continuous_against_scipy(make, size):
    relaxation = make(size)
    found = stationary_covariance(relaxation, noise(size), discrete=False)
    expected = solve_continuous_lyapunov(relaxation, noise(size))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_both_forms_of_a_symmetric_relaxation_agree():
    relaxation = symmetric(9)
    assert isinstance(relaxation_of(relaxation), RelaxationModes)
    assert isinstance(relaxation_of(general(9)), Relaxation)
    for discrete in (True, False):
        by_schur = Relaxation(relaxation).covariance(noise(9), discrete=discrete)
        np.testing.assert_allclose(
            by_schur, stationary_covariance(relaxation, noise(9), discrete=discrete), rtol=1e-9
        )


def test_slow_modes_keep_their_digits():
    """A relaxation of 1e-14 is lost in 1 - 1e-14; as a relaxation it is not."""
    found = stationary_covariance(np.diag([1e-14, 0.1]), np.eye(2))
    assert found[0, 0] == pytest.approx(1 / (2e-14 - 1e-28), rel=1e-12)


def test_a_turned_process_has_the_turned_covariance():
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    for make in (symmetric, general):
        straight = stationary_covariance(make(6), noise(6))
        turned = stationary_covariance(turn @ make(6) @ turn.T, turn @ noise(6) @ turn.T)
        np.testing.assert_allclose(
            turned, turn @ straight @ turn.T, rtol=0, atol=1e-9 * np.abs(straight).max()
        )


@pytest.mark.parametrize(
    ("relaxation", "covariance", "word"),
    [
        (np.ones((2, 3)), np.eye(2), "relaxation has shape"),
        (np.eye(2), np.eye(3), "noise has shape"),
        (np.diag([1.0, np.nan]), np.eye(2), r"index \(1, 1\)"),
        (np.eye(2), np.full((2, 2), np.inf), "noise holds NaN"),
    ],
)
def test_bad_matrices(relaxation, covariance, word):
    with pytest.raises(ConfigError, match=word):
        stationary_covariance(relaxation, covariance)
