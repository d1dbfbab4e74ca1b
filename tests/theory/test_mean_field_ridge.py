"""The solver on ridge regression, where everything is known: random matrices, exact moments, Langevin noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from thermograd.theory import mean_field

AT = [5, 10, 15, 20, 25]
"""Lags of the response."""
WARM = {"sample_ratio": 4.0, "weight_decay": 0.3}


def over_curvatures(function, ratio, variance):
    """∫ρ(k) function(k) dk of the Marchenko-Pastur law of XᵀX/d, with the weight 1 − α at k = 0 if α < 1."""
    low, high = variance * (1 - math.sqrt(ratio)) ** 2, variance * (1 + math.sqrt(ratio)) ** 2

    def integrand(angle):
        k = (low + high) / 2 - (high - low) / 2 * math.cos(angle)
        return ((high - low) / 2 * math.sin(angle)) ** 2 / (2 * math.pi * variance * k) * function(k)

    inside = quad(integrand, 0, math.pi, epsabs=1e-12)[0]
    return inside + (1 - ratio) * function(0.0) if ratio < 1 else inside


def response_of_a_ridge(ratio, variance, decay, rate, lag):
    """R(t′ + 1 + j, t′)/η of gradient descent."""
    return over_curvatures(lambda k: (1 - rate * (k + decay)) ** lag, ratio, variance)


def responses(solution, first=0):
    """R(t′ + 1 + j, t′)/η from t′ = first on, mean over solutions."""
    return np.array([solution.response[:, first + 1 + lag, first].mean() for lag in AT])


@pytest.mark.parametrize("ratio", [2.0, 0.5, 1.0])
def test_response_of_gradient_descent_on_a_ridge_is_that_of_random_matrix_theory(mixture, ratio):
    solution = mean_field.solve(
        mixture(loss="square", sample_ratio=ratio),
        learning_rate=0.2,
        steps=28,
        selection="gd",
        paths=200,
        response_paths=2,
        seeds=1,
    )
    exact = np.array([response_of_a_ridge(ratio, 0.5, 0.1, 0.2, lag) for lag in AT])
    np.testing.assert_allclose(responses(solution) / 0.2, exact, atol=1e-6)
    np.testing.assert_allclose(responses(solution, first=2) / 0.2, exact, atol=1e-6)


def test_independent_batches_leave_the_response_of_a_ridge_as_it_is_and_persistent_ones_do_not(mixture):
    exact = np.array([response_of_a_ridge(2.0, 0.5, 0.1, 0.2, lag) for lag in AT])
    np.testing.assert_allclose(exact, [0.3751, 0.2008, 0.1228, 0.0805, 0.0549], atol=6e-5)
    settings = {"learning_rate": 0.2, "steps": 27, "paths": 4000, "response_paths": 4000, "seeds": 8}
    plain = mean_field.solve(mixture(loss="square"), selection="sgd", **settings)
    error = 0.2**-1 * plain.response[:, np.array(AT) + 1, 0].std(axis=0, ddof=1) / math.sqrt(8)
    assert error.max() < 1.5e-3
    assert (np.abs(responses(plain) / 0.2 - exact) < 4 * error).all()
    persistent = mean_field.solve(mixture(loss="square"), selection="persistent", persistence=10, **settings)
    found = responses(persistent) / 0.2
    np.testing.assert_allclose(found, [0.4452, 0.2651, 0.1710, 0.1170, 0.0836], atol=4e-3)
    assert (found - exact > 0.02).all()


def stationary_ridge(inputs, labels, decay, rate, fraction, lags):
    """D(j) and χ(j) of SGD with independent samples on a ridge of finite size, from exact second moments."""
    dimension = inputs.shape[1]
    scaled = inputs / math.sqrt(dimension)
    curvatures, modes = np.linalg.eigh(scaled.T @ scaled + decay * np.eye(dimension))
    turned = scaled @ modes
    keeps = 1 - rate * curvatures
    residual = (turned @ ((turned.T @ labels) / curvatures) - labels) ** 2
    square, covariance = residual, 0.0
    for _ in range(60):
        noise = rate**2 * (1 - fraction) / fraction * turned.T @ (square[:, None] * turned)
        covariance = noise / (1 - np.outer(keeps, keeps))
        square = residual + np.einsum("ij,ij->i", turned @ covariance, turned)
    gone = 1 - keeps ** np.arange(1, lags + 1)[:, None]
    return gone @ np.diagonal(covariance) / dimension, gone @ (1 / curvatures) / dimension


def drawn_ridge(dimension, ratio, variance, seed):
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal(dimension)
    direction *= math.sqrt(dimension) / np.linalg.norm(direction)
    labels = np.resize([1.0, -1.0], round(ratio * dimension))
    noise = generator.standard_normal((len(labels), dimension))
    return labels[:, None] * direction / math.sqrt(dimension) + math.sqrt(variance) * noise, labels


@pytest.mark.slow
def test_stationary_fluctuations_of_a_ridge_are_those_of_exact_moments_at_finite_size(mixture):
    lags = 40
    exact = [stationary_ridge(*drawn_ridge(200, 4, 0.5, seed), 0.3, 0.1, 0.3, lags) for seed in range(8)]
    solution = mean_field.solve(
        mixture(loss="square", **WARM), learning_rate=0.1, steps=120, paths=4000, seeds=8
    )
    for ours, theirs in zip(solution.displacement_and_response(80), np.swapaxes(exact, 0, 1), strict=True):
        error = np.hypot(ours.std(axis=0, ddof=1), theirs.std(axis=0, ddof=1)) / math.sqrt(8)
        assert (error < 0.03 * theirs.mean(axis=0)).all()
        assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error + 1e-9).all()


@pytest.mark.parametrize("rate", [pytest.param(0.02, marks=pytest.mark.slow), 0.1, 0.3])
def test_white_noise_on_a_ridge_has_its_own_temperature_at_every_lag(mixture, centred_curves, rate):
    """Every path has the same curvature, so that two of them give the exact response."""
    waiting, lags = round(10 / rate), 40
    solution = mean_field.solve(
        mixture(loss="square", sample_ratio=3.0, weight_decay=0.3),
        learning_rate=rate,
        steps=waiting + lags,
        selection="gd",
        temperature=0.02,
        paths=2000,
        response_paths=2,
        seeds=6,
    )
    curves = solution.displacement_and_response(waiting)
    centred, response = centred_curves(*curves)
    found = centred / response
    assert (found.std(axis=0, ddof=1) < 3e-4).all()
    np.testing.assert_allclose(found.mean(axis=0), 0.02, rtol=5e-3)
    plain = over_curvatures(lambda k: 0.02 / (1 - rate * (k + 0.3) / 2), 3.0, 0.5)
    assert (curves[0] / curves[1])[:, 0].mean() == pytest.approx(plain, rel=5e-3)
