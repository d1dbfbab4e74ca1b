"""Momentum: against scipy on well-scaled coordinates, the closed form of one mode, and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from thermograd.quantities import Landscape
from thermograd.theory.fluctuation_dissipation import quadratic
from thermograd.theory.heavy_ball import pair_covariances
from thermograd.theory.stationary_state import predict

SETTINGS = [(0.9, 0.0), (0.5, 0.3), (0.99, 0.9), (0.0, 0.0)]


def landscape(size=4, seed=0):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
    return Landscape(
        sample_gradients=(lambda g: g - g.mean(axis=0))(
            rng.normal(size=(30, size)) @ rng.normal(size=(size, size))
        ),
        hessian=turn @ np.diag(np.geomspace(0.05, 2.0, size)) @ turn.T,
    )


def joint_map(hessian, rate, momentum, dampening):
    """(theta, u) -> with u = rate x buffer, and how noise enters."""
    same = np.eye(len(hessian))
    gradient = rate * (1 - dampening) * hessian
    return np.block([[same - gradient, -momentum * same], [gradient, momentum * same]])


@pytest.mark.parametrize(("momentum", "dampening"), SETTINGS[:3])
def test_joint_matrices_against_scipy(momentum, dampening):
    land, rate = landscape(), 0.2
    state = predict(land, learning_rate=rate, batch_size=3, momentum=momentum, dampening=dampening)
    plain = predict(land, learning_rate=rate, batch_size=3)
    kick = np.kron([[1.0, -1.0], [-1.0, 1.0]], 2 * (1 - dampening) ** 2 * plain.diffusion)
    step = joint_map(land.hessian, rate, momentum, dampening)
    expected = solve_discrete_lyapunov(step, kick)
    units = np.diag(np.repeat([1.0, 1 / rate], 4))
    covariance = units @ expected @ units
    np.testing.assert_allclose(
        state.joint_covariance, covariance, rtol=0, atol=1e-9 * np.abs(covariance).max()
    )
    circulation = units @ (expected @ step.T - step @ expected) @ units / 2
    np.testing.assert_allclose(
        state.joint_circulation, circulation, rtol=0, atol=1e-9 * np.abs(circulation).max()
    )
    np.testing.assert_array_equal(state.covariance, state.joint_covariance[:4, :4])
    np.testing.assert_array_equal(state.circulation, state.joint_circulation[:4, :4])
    np.testing.assert_allclose(state.propagator, units @ step @ np.linalg.inv(units), atol=1e-13)
    np.testing.assert_allclose(2 * state.diffusion, kick[:4, :4])


@pytest.mark.parametrize(("momentum", "dampening"), SETTINGS)
def test_one_mode_in_closed_form(momentum, dampening):
    rate, curvature, kept = 0.3, np.array([0.01, 0.5, 3.0]), 1 - dampening
    noise = np.array([1.0, 2.0, 0.5])
    blocks = pair_covariances(rate * kept * curvature, np.diag(kept**2 * rate**2 * noise / 2), momentum)
    known = quadratic(curvature, noise, rate, momentum, dampening)
    np.testing.assert_allclose(np.diag(blocks[0, 0]), known["variance"].value, rtol=1e-11)
    below = (1 - momentum) * (2 * (1 + momentum) - rate * kept * curvature)
    np.testing.assert_allclose(np.diag(blocks[1, 1]) / rate**2, 2 * kept**2 * noise / below, rtol=1e-11)
    np.testing.assert_allclose(blocks, blocks.transpose(1, 0, 3, 2), atol=1e-18)


def test_relaxation_times_are_those_of_the_joint_map():
    land = landscape()
    state = predict(land, learning_rate=0.2, batch_size=3, momentum=0.6)
    values = np.abs(np.linalg.eigvals(state.propagator))
    assert state.relaxation_times[-1] == pytest.approx(-1 / np.log(values.max()), rel=1e-10)
    assert np.all(np.diff(state.relaxation_times) >= 0)


def test_dampening_without_momentum_has_no_effect():
    land = landscape()
    plain, dampened = (predict(land, learning_rate=0.2, batch_size=3, dampening=d) for d in (0.0, 0.5))
    np.testing.assert_array_equal(plain.covariance, dampened.covariance)


def test_simulation_within_four_standard_errors():
    """2000 runs of SGD with momentum on 30 samples, batches of 3 distinct ones, from the predicted state."""
    land, rate, momentum, dampening = landscape(2), 0.2, 0.8, 0.25
    state = predict(land, learning_rate=rate, batch_size=3, momentum=momentum, dampening=dampening)
    rng, runs, steps = np.random.default_rng(11), 2000, 200
    start = rng.standard_normal((runs, 4)) @ np.linalg.cholesky(state.joint_covariance).T
    place, buffer = start[:, :2], start[:, 2:]
    area, square = np.zeros(runs), np.zeros((runs, 2, 2))
    for _ in range(steps):
        batch = rng.random((runs, 30)).argpartition(3, axis=1)[:, :3]
        gradient = place @ land.hessian + land.sample_gradients[batch].mean(axis=1)
        buffer = momentum * buffer + (1 - dampening) * gradient
        after = place - rate * buffer
        area += (place[:, 0] * (after - place)[:, 1] - place[:, 1] * (after - place)[:, 0]) / 2 / steps
        square += place[:, :, None] * place[:, None, :] / steps
        place = after
    for predicted, found in ((state.circulation[0, 1], area), (state.covariance, square)):
        error = found.std(axis=0, ddof=1) / np.sqrt(runs)
        assert np.all(np.abs(found.mean(axis=0) - predicted) <= 4 * error)
    plain = predict(land, learning_rate=rate, batch_size=3)
    assert abs(area.mean() - plain.circulation[0, 1]) > 4 * area.std() / np.sqrt(runs)  # negative control
