"""The earthquake: closed form, its temperature, and a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.theory.earthquake import earthquake


def hessian():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    return turn @ np.diag([0.5, 1.0, 4.0]) @ turn.T


def test_closed_form_of_both_times():
    rate, scale, matrix = 0.1, 0.01, hessian()
    continuous = earthquake(matrix, learning_rate=rate, noise_scale=scale, time="continuous")
    np.testing.assert_allclose(continuous.covariance, rate * scale**2 * matrix / 2, rtol=1e-10, atol=1e-20)
    discrete = earthquake(matrix, learning_rate=rate, noise_scale=scale)
    expected = rate * scale**2 * matrix @ np.linalg.inv(2 * np.eye(3) - rate * matrix)
    np.testing.assert_allclose(discrete.covariance, expected, rtol=1e-10, atol=1e-20)
    np.testing.assert_allclose(discrete.diffusion, rate**2 * scale**2 * matrix @ matrix / 2, rtol=1e-12)


def test_equilibrium_on_the_inverse_landscape():
    state = earthquake(hessian(), learning_rate=0.1, noise_scale=0.01, time="continuous")
    assert (state.equilibrium.kind, state.equilibrium.holds) == ("equilibrium", True)
    assert state.inverse_temperature == pytest.approx(2 / (0.1 * 0.01**2))
    # exp(−β ½ δᵀ H⁻¹ δ) has the covariance H/β
    np.testing.assert_allclose(state.covariance * state.inverse_temperature, hessian(), rtol=1e-10)
    assert state.entropy_production == pytest.approx(0, abs=1e-15)
    slope = np.polyfit(np.log([0.5, 1.0, 4.0]), np.log(np.linalg.eigvalsh(state.covariance)), 1)[0]
    assert slope == pytest.approx(1.0, abs=1e-10)


def test_simulation_within_four_standard_errors():
    matrix, rate, scale, runs, steps = hessian(), 0.3, 0.5, 4000, 200
    state = earthquake(matrix, learning_rate=rate, noise_scale=scale)
    rng = np.random.default_rng(7)
    place, square = state.sample(runs, seed=2), np.zeros((runs, 3, 3))
    for _ in range(steps):
        place = place - rate * (place + scale * rng.standard_normal(place.shape)) @ matrix
        square += place[:, :, None] * place[:, None, :] / steps
    error = square.std(axis=0, ddof=1) / np.sqrt(runs)
    assert np.all(np.abs(square.mean(axis=0) - state.covariance) <= 4 * error)
    continuous = earthquake(matrix, learning_rate=rate, noise_scale=scale, time="continuous")
    assert np.any(np.abs(square.mean(axis=0) - continuous.covariance) > 8 * error)  # negative control


def test_no_state_and_bad_arguments():
    assert earthquake(np.diag([1.0, -1.0])).kind == "not_a_minimum"
    assert earthquake(np.diag([1.0, 30.0]), learning_rate=0.1).kind == "unstable"
    flat = earthquake(np.diag([0.0, 1.0]), learning_rate=0.1)
    assert flat.dropped == (0,)
    assert earthquake(np.zeros((2, 2))).kind == "no_noise"
    for arguments, word in (
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"noise_scale": 0.0}, "noise_scale is 0.0"),
        ({"time": "never"}, "time is 'never'"),
    ):
        with pytest.raises(ConfigError, match=word):
            earthquake(np.eye(2), **arguments)
    with pytest.raises(ConfigError, match="hessian has shape"):
        earthquake(np.ones((2, 3)))
