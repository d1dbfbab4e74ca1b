"""A linear process at rest: against scipy, against simulation, and its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.stats import multivariate_normal

from thermograd.errors import ConfigError
from thermograd.quantities import Verdict
from thermograd.theory.linear_process import linear_process

CURL = np.array([[0.5, -0.4, 0.1], [0.4, 0.5, 0.0], [0.0, 0.2, 0.3]])
NOISE = np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.5], [0.0, -0.5, 0.7]])


def test_general_propagator_against_definitions():
    state = linear_process(CURL, NOISE, mean=[1.0, 2.0, 3.0])
    expected = solve_discrete_lyapunov(CURL, NOISE)
    np.testing.assert_allclose(state.covariance, expected, rtol=1e-12)
    np.testing.assert_allclose(state.circulation, (expected @ CURL.T - CURL @ expected) / 2, atol=1e-13)
    np.testing.assert_array_equal(state.circulation, -state.circulation.T)
    np.testing.assert_allclose(state.propagator, CURL, atol=1e-15)
    np.testing.assert_allclose(2 * state.diffusion, NOISE)
    times = np.sort(-1 / np.log(np.abs(np.linalg.eigvals(CURL))))
    np.testing.assert_allclose(state.relaxation_times, times, rtol=1e-12)
    assert state.mean.tolist() == [1.0, 2.0, 3.0]
    assert state.equilibrium.kind == "nonequilibrium"
    assert state.entropy_production > 0


@pytest.mark.parametrize("size", [2, 30])
def test_symmetric_propagator_against_scipy(size):
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
    propagator = turn @ np.diag(rng.uniform(-0.9, 0.999, size)) @ turn.T
    root = rng.normal(size=(size, size))
    state = linear_process((propagator + propagator.T) / 2, root @ root.T)
    expected = solve_discrete_lyapunov(propagator, root @ root.T)
    np.testing.assert_allclose(state.covariance, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def simulated(steps=400, runs=4000):
    """Area, covariance and sigma of the process, started from its own state; one row per run."""
    state = linear_process(CURL, NOISE)
    rng = np.random.default_rng(17)
    place = state.sample(runs, seed=4)
    root = np.linalg.cholesky(NOISE)
    area, square, sigma = np.zeros((runs, 3, 3)), np.zeros((runs, 3, 3)), np.zeros(runs)
    for _ in range(steps):
        after = place @ CURL.T + rng.standard_normal((runs, 3)) @ root.T
        outer = place[:, :, None] * (after - place)[:, None, :]
        area += (outer - outer.transpose(0, 2, 1)) / 2
        square += place[:, :, None] * place[:, None, :]
        sigma += np.einsum("rk,rk->r", place @ state.entropy_force.T, after - place)
        place = after
    return state, area / steps, square / steps, sigma / steps


def test_simulation_within_four_standard_errors():
    state, area, square, sigma = simulated()
    for predicted, found in (
        (state.circulation, area),
        (state.covariance, square),
        (state.entropy_production, sigma),
    ):
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        assert np.all(np.abs(found.mean(axis=0) - predicted) <= 4 * error + 1e-12)
    off_by_a_factor = np.abs(area.mean(axis=0) - 1.1 * state.circulation)[0, 1]
    assert off_by_a_factor > 4 * area[:, 0, 1].std() / np.sqrt(len(area))  # negative control


def test_draws_have_the_covariance_and_depend_on_the_seed():
    state = linear_process(CURL, NOISE, mean=[1.0, 2.0, 3.0])
    draws = state.sample(100_000, seed=0)
    np.testing.assert_array_equal(draws[:5], state.sample(100_000, seed=0)[:5])
    assert not np.array_equal(draws[0], state.sample(1, seed=1)[0])
    spread = np.sqrt(np.outer(np.diag(state.covariance), np.diag(state.covariance)) * 2 / 100_000)
    assert np.all(np.abs(np.cov(draws.T) - state.covariance) < 4 * spread)
    assert np.all(np.abs(draws.mean(axis=0) - state.mean) < 4 * np.sqrt(np.diag(state.covariance) / 100_000))


def test_current_swept_by_the_velocity_is_the_circulation():
    state = linear_process(CURL, NOISE, mean=[1.0, 2.0, 3.0])
    points = state.mean + np.linalg.cholesky(state.covariance).T * np.sqrt(
        3
    )  # their second moment is the covariance
    away = points - state.mean
    outer = np.einsum("pi,pj->ij", away, state.velocity(points)) / 3
    np.testing.assert_allclose((outer - outer.T) / 2, state.circulation, atol=1e-13)


def test_marginal_is_the_plane_of_the_whole():
    state = linear_process(CURL, NOISE, mean=[1.0, 2.0, 3.0])
    plane = state.marginal(0, 2)
    points = np.random.default_rng(0).normal(size=(4, 5, 2))
    expected = multivariate_normal([1.0, 3.0], state.covariance[np.ix_([0, 2], [0, 2])]).pdf(points)
    np.testing.assert_allclose(plane.density(points), expected, rtol=1e-12)
    # the velocity of the whole, averaged over the coordinate left out
    regression = state.covariance[1, [0, 2]] @ np.linalg.inv(plane.covariance)
    away = points - plane.mean
    whole = np.stack([points[..., 0], 2.0 + away @ regression, points[..., 1]], axis=-1)
    np.testing.assert_allclose(plane.velocity(points), state.velocity(whole)[..., [0, 2]], atol=1e-13)


def test_a_coordinate_that_stays_has_no_density_and_no_velocity():
    state = linear_process(np.diag([0.5, 0.5]), np.diag([1.0, 0.0]))
    with pytest.raises(ConfigError, match="do not fluctuate in every direction"):
        state.marginal(0, 1).density([0.0, 0.0])
    assert state.marginal(0).density([[0.0]])[0] == pytest.approx(1 / np.sqrt(2 * np.pi * 4 / 3))
    assert state.velocity([1.0, 1.0]).tolist() == [0.0, 0.0]


def test_no_stationary_state():
    verdict = linear_process(np.diag([1.0, 0.5]), np.eye(2))
    assert isinstance(verdict, Verdict)
    assert verdict.kind == "unstable"
    assert verdict.evidence["spectral_radius"] == pytest.approx(1.0)
    assert linear_process([[0.0, -1.2], [1.2, 0.0]], np.eye(2)).kind == "unstable"


def test_quantities_as_predictions():
    state = linear_process(CURL, NOISE)
    assert state.prediction().value is state.covariance
    assert state.prediction("entropy_production").rests_on == state.rests_on
    for name in ("excess_loss", "sample", "nonsense"):
        with pytest.raises(ConfigError, match=f"no quantity '{name}'; it has mean, covariance"):
            state.prediction(name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((np.ones((2, 3)), np.eye(2)), "propagator has shape"),
        ((np.eye(2) / 2, np.eye(3)), "noise_covariance has shape"),
        ((np.eye(2) / 2, [[1.0, 1.0], [0.0, 1.0]]), "not symmetric"),
        ((np.eye(2) / 2, -np.eye(2)), "no variance is negative"),
        ((np.eye(2) / 2, [[1.0, 2.0], [2.0, 1.0]]), "has the eigenvalue -1"),
        ((np.eye(2) / 2, np.eye(2), [0.0, np.nan]), "finite numbers"),
        ((np.eye(2) / 2, np.eye(2), [1.0]), "mean has shape"),
        ((np.array([[np.nan]]), np.eye(1)), "propagator holds NaN"),
    ],
)
def test_bad_input(arguments, word):
    with pytest.raises(ConfigError, match=word):
        linear_process(*arguments)


def test_text_of_a_process():
    text = str(linear_process(np.diag([0.5, 0.9]), np.eye(2)))
    assert text.splitlines()[0] == "stationary state of a linear process"
    assert "relaxation times 1.44 to 9.49 steps" in text
    assert "rests on linear drift" in text
    shown = linear_process(np.diag([0.5, 0.9]), np.eye(2))._repr_html_()
    assert shown.startswith("<p><b>stationary state of a linear process</b><br>relaxation times")
