"""Landscapes derived independently of the package: the 7-parameter network by automatic differentiation, parabolas; mixtures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from thermograd.quantities import Landscape

RIDGE = 10.0


@pytest.fixture(scope="session")
def regression_at(recorded_regression):
    """Function point -> landscape of the 7-parameter network with all derivatives; skips where the data are absent."""
    torch = pytest.importorskip("torch")
    from torch.func import grad, jacrev, vmap

    x, y = (torch.from_numpy(values) for values in recorded_regression[:2])

    def loss(weights, x, y):
        hidden = torch.tanh(weights[:2] * x + weights[2:4])
        residual = y - (weights[4:6] * hidden).sum() - weights[6]
        return 200 / (2 * 0.1**2) * residual**2 + RIDGE * weights.square().sum()

    def mean_loss(weights):
        return vmap(loss, (None, 0, 0))(weights, x, y).mean()

    def hessian(weights, x, y):
        return jacrev(grad(loss))(weights, x, y)

    def along_gradient(weights, x, y):
        return jacrev(hessian)(weights, x, y) @ grad(loss)(weights, x, y)

    def landscape(point):
        weights = torch.from_numpy(np.asarray(point))
        return Landscape(
            parameters=weights.numpy(),
            sample_gradients=vmap(grad(loss), (None, 0, 0))(weights, x, y).numpy(),
            sample_hessians=vmap(hessian, (None, 0, 0))(weights, x, y).numpy(),
            third_derivative=jacrev(jacrev(grad(mean_loss)))(weights).numpy(),
            third_derivative_gradient=vmap(along_gradient, (None, 0, 0))(weights, x, y).mean(0).numpy(),
            loss=mean_loss(weights).item(),
            shapes={"0.weight": (2, 1), "0.bias": (2,), "2.weight": (1, 2), "2.bias": (1,)},
        )

    return landscape


@pytest.fixture(scope="session")
def regression(regression_at, recorded_regression):
    """The same at its recorded minimum."""
    return regression_at(recorded_regression[2])


@pytest.fixture
def parabolas():
    """Function (M, N, seed) -> landscape of M random parabolas at their common minimum."""

    def make(samples, count, seed=0):
        rng = np.random.default_rng(seed)
        gradients = rng.normal(size=(samples, count)) @ rng.normal(size=(count, count))
        roots = rng.normal(size=(samples, count, count)) / np.sqrt(count)
        return Landscape(
            sample_gradients=gradients - gradients.mean(axis=0),
            sample_hessians=roots @ roots.transpose(0, 2, 1) + 0.2 * np.eye(count),
        )

    return make


@pytest.fixture(scope="session")
def linear_regression():
    """Function (features, targets, noise_std, prior_precision) -> U = |y − Φθ|²/(2ε²) + p|θ|²/2 as a landscape at θ = 0."""

    def make(features, targets, noise_std=0.5, prior_precision=1.0):
        count, size = features.shape
        precision = count / noise_std**2
        return Landscape(
            sample_gradients=-precision * targets[:, None] * features,
            sample_hessians=precision * features[:, :, None] * features[:, None]
            + prior_precision * np.eye(size),
        )

    return make


@pytest.fixture(scope="session")
def line_data():
    """Function M -> features (1, x) and targets of M points from −1 to 1."""

    def make(samples):
        x = -1 + 2 * np.arange(samples) / (samples - 1)
        return np.stack([np.ones(samples), x], axis=1), np.sin(3 * x) + 0.3 * np.cos(17 * x)

    return make


@pytest.fixture(scope="session")
def line(linear_regression, line_data):
    """Function M -> the potential of linear regression on M points."""
    return lambda samples: linear_regression(*line_data(samples))


@pytest.fixture(scope="session")
def curve_data(recorded_regression):
    """Features and targets of the recorded curve: f = θ₁ tanh(½ − x) + θ₂ tanh(½ + x) + θ₃."""
    x, y, _ = recorded_regression
    return np.stack([np.tanh(0.5 - x), np.tanh(0.5 + x), np.ones_like(x)], axis=1), y


@pytest.fixture(scope="session")
def curve(linear_regression, curve_data):
    """The potential of linear regression on the recorded curve, with R = 10|θ|²."""
    return linear_regression(*curve_data, noise_std=0.1, prior_precision=20.0)


@pytest.fixture(scope="session")
def mixture():
    """Function of fields to change -> two clusters with the logistic loss, as the mean-field theory takes them."""

    def make(**fields):
        known = {
            "sample_ratio": 2.0,
            "cluster_variance": 0.5,
            "clusters": 2,
            "door_width": 0.7,
            "loss": "logistic",
        }
        rest = {"margin": 1.0, "weight_decay": 0.1, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
        return SimpleNamespace(**known | rest | fields)

    return make


@pytest.fixture(scope="session")
def agrees():
    """Check: a measured value and another one, within 4 combined standard errors."""

    def check(measured, error, value, error_of_value):
        assert abs(measured - value) < 4 * np.hypot(error, error_of_value), (measured, error, value)

    return check


@pytest.fixture(scope="session")
def centred_curves():
    """From D and χ those at lags 1 … whose ratio has no bias of a finite step: [D(j) + D(j+1) − D(1)] / 2 and χ(j)."""

    def centred(displacement, response):
        return (displacement[:, :-1] + displacement[:, 1:] - displacement[:, :1]) / 2, response[:, :-1]

    return centred
