"""Noise that grows with the distance: against the N² system, a simulation, and where the variance is infinite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thermograd.quantities import Landscape, Verdict
from thermograd.theory.stationary_state import predict


def second_moment_map(land, rate, strength, hessian):
    """The N² x N² matrix of Σ -> A Σ A + κ Σ_i (K_i − H) Σ (K_i − H)."""
    step = np.eye(len(hessian)) - rate * hessian
    away = land.sample_hessians - hessian
    return np.kron(step, step) + strength * sum(np.kron(each, each) for each in away)


@pytest.mark.parametrize("distinct", [True, False])
def test_discrete_time_against_the_large_system(parabolas, distinct):
    land, rate, size = parabolas(12, 3), 0.25, 2
    state = predict(land, learning_rate=rate, batch_size=size, distinct=distinct, multiplicative=True)
    constant = predict(land, learning_rate=rate, batch_size=size, distinct=distinct)
    strength = rate**2 * ((1 / size - 1 / 12) / 11 if distinct else 1 / (size * 12))
    matrix = second_moment_map(land, rate, strength, land.hessian)
    expected = np.linalg.solve(np.eye(9) - matrix, 2 * constant.diffusion.ravel()).reshape(3, 3)
    np.testing.assert_allclose(state.covariance, expected, rtol=1e-10)
    assert np.trace(expected) > 1.02 * np.trace(constant.covariance)
    assert "noise grows with the distance" in state.rests_on
    # the state is that of a process with the mean diffusion
    step = state.propagator
    np.testing.assert_allclose(
        step @ state.covariance @ step + 2 * state.diffusion, state.covariance, rtol=1e-10
    )


def test_continuous_time_satisfies_its_equation(parabolas):
    land, rate = parabolas(12, 3), 0.1
    state = predict(land, learning_rate=rate, batch_size=2, multiplicative=True, time="continuous")
    constant = predict(land, learning_rate=rate, batch_size=2, time="continuous")
    away = land.sample_hessians - land.hessian
    grown = rate**2 * (1 / 2 - 1 / 12) / 11 * np.einsum("iab,bc,icd->ad", away, state.covariance, away)
    drift = rate * land.hessian @ state.covariance
    np.testing.assert_allclose(drift + drift.T, 2 * constant.diffusion + grown, rtol=1e-10)


def one_parameter(spread, samples=10):
    """K_i = 1 ± spread, G_i = ±1, so that everything is known in closed form."""
    signs = np.resize([1.0, -1.0], samples)
    crossed = np.repeat([1.0, -1.0], samples // 2)
    return Landscape(sample_gradients=crossed[:, None], sample_hessians=(1 + spread * signs)[:, None, None])


def border(rate, samples=10):
    """Spread at which (1 − η)² + η² v M/(M − 1) spread² = 1, batches of one, distinct."""
    return np.sqrt((1 - (1 - rate) ** 2) / (rate**2 * (1 - 1 / samples) * samples / (samples - 1)))


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999])
def test_finite_below_the_border(share):
    rate = 0.2
    spread = share * border(rate)
    state = predict(one_parameter(spread), learning_rate=rate, batch_size=1, multiplicative=True)
    expected = rate**2 / (1 - (1 - rate) ** 2 - rate**2 * spread**2)
    assert state.covariance[0, 0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("share", [1.001, 1.1, 3.0])
def test_infinite_above_the_border(share):
    rate = 0.2
    land = one_parameter(share * border(rate))
    verdict = predict(land, learning_rate=rate, batch_size=1, multiplicative=True)
    assert isinstance(verdict, Verdict)
    assert (verdict.kind, verdict.holds) == ("infinite_variance", False)
    assert verdict.evidence["spectral_radius"] > 1
    assert not isinstance(
        predict(land, learning_rate=rate, batch_size=1), Verdict
    )  # constant noise does not see it


def test_border_of_several_modes(parabolas):
    """Just below and above the rate at which the N² x N² map has the spectral radius 1."""
    land = parabolas(12, 3)

    def radius(rate):
        matrix = second_moment_map(land, rate, rate**2 * (1 - 1 / 12) / 11, land.hessian)
        return np.abs(np.linalg.eigvals(matrix)).max()

    low, high = 0.01, 2 / np.linalg.eigvalsh(land.hessian)[-1]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) < 1 else (low, middle)
    assert radius(0.01) < 1 < radius(2 * low)
    below, above = (
        predict(land, learning_rate=share * low, batch_size=1, multiplicative=True)
        for share in (0.999, 1.001)
    )
    assert np.linalg.eigvalsh(below.covariance)[0] > 0
    assert above.kind == "infinite_variance"


def test_samples_of_equal_curvature_have_constant_noise(parabolas):
    land = parabolas(12, 3)
    same = replace(land, sample_hessians=np.broadcast_to(land.hessian, land.sample_hessians.shape))
    first = predict(same, learning_rate=0.25, batch_size=2, multiplicative=True)
    np.testing.assert_allclose(first.covariance, predict(same, learning_rate=0.25, batch_size=2).covariance)


def test_simulation_within_four_standard_errors(parabolas):
    """SGD on twelve parabolas, batches of two distinct ones; constant noise is many standard errors off."""
    land, rate = parabolas(12, 3), 0.25
    state = predict(land, learning_rate=rate, batch_size=2, multiplicative=True)
    rng, runs = np.random.default_rng(3), 4000
    place, square = state.sample(runs, seed=1), np.zeros((runs, 3))
    for _ in range(300):
        batch = rng.random((runs, 12)).argpartition(2, axis=1)[:, :2]
        gradient = land.sample_gradients[batch] + np.einsum(
            "rbij,rj->rbi", land.sample_hessians[batch], place
        )
        place = place - rate * gradient.mean(axis=1)
        square += place**2 / 300
    error = square.std(axis=0, ddof=1) / np.sqrt(runs)
    assert np.all(np.abs(square.mean(axis=0) - np.diag(state.covariance)) <= 4 * error)
    constant = predict(land, learning_rate=rate, batch_size=2)
    assert np.any(np.abs(square.mean(axis=0) - np.diag(constant.covariance)) > 8 * error)  # negative control
