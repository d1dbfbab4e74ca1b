"""The 7-parameter network trained for long at a constant rate, in plain numpy, against the theory of its stationary state."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.quantities import Landscape
from thermograd.theory.stationary_state import predict

RUNS, STEPS, RATE, BATCH = 200, 30_000, 1e-6, 10
STIFF = slice(3, 7)  # the three flattest modes feel the asymmetry of the loss


class Network:
    """f = w5 tanh(w1 x + w3) + w6 tanh(w2 x + w4) + w7, loss 1e4 (y - f)², regulariser 10 |w|²."""

    def __init__(self, folder):
        self.x, self.y = (np.loadtxt(folder / f"{name}_train.txt") for name in "xy")
        self.minimum = np.loadtxt(folder / "wmin.txt")

    def slopes(self, weights, which):
        """Derivative of -f and residual y - f of the samples `which`, each (..., samples)."""
        x = self.x[which]
        first, second = (np.tanh(weights[..., [k]] * x + weights[..., [k + 2]]) for k in (0, 1))
        a, b = weights[..., [4]], weights[..., [5]]
        residual = self.y[which] - a * first - b * second - weights[..., [6]]
        bend = [a * (1 - first**2), b * (1 - second**2)]
        return [bend[0] * x, bend[1] * x, *bend, first, second, np.ones_like(first)], residual

    def gradient(self, weights, which):
        """Mean over the samples `which`, (..., 7)."""
        slopes, residual = self.slopes(weights, which)
        return -2e4 * np.stack([(slope * residual).mean(axis=-1) for slope in slopes], axis=-1) + 20 * weights

    def landscape(self):
        everything = np.arange(len(self.x))
        slopes, residual = self.slopes(self.minimum, everything)
        gradients = -2e4 * np.stack(slopes, axis=-1) * residual[:, None] + 20 * self.minimum
        step = 1e-5
        columns = [
            self.gradient(self.minimum + shift, everything) - self.gradient(self.minimum - shift, everything)
            for shift in step * np.eye(7)
        ]
        hessian = np.array(columns) / (2 * step)
        return Landscape(
            parameters=self.minimum, sample_gradients=gradients, hessian=(hessian + hessian.T) / 2
        )


@pytest.fixture(scope="module")
def simulated(data_folder):
    """State, modes, and per run: mean square and area in the modes, sigma a step."""
    folder = data_folder / "nonlinear_regression"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    network = Network(folder)
    land = network.landscape()
    state = predict(land, learning_rate=RATE, batch_size=BATCH, distinct=False)
    modes = np.linalg.eigh(land.hessian)[1]
    rng, everything = np.random.default_rng(5), np.arange(200)
    place = state.sample(RUNS, seed=6)
    seen, areas, sigma = [], np.zeros((RUNS, 7, 7)), np.zeros(RUNS)
    for step in range(STEPS):
        after = place - RATE * network.gradient(place, rng.integers(200, size=(RUNS, BATCH)))
        away = place - network.minimum
        sigma += np.einsum("rk,rk->r", away @ state.entropy_force.T, after - place) / STEPS
        if step % 50 == 0:
            seen.append(away @ modes)
            drift = -RATE * network.gradient(place, everything) @ modes
            outer = seen[-1][:, :, None] * drift[:, None, :]
            areas += (outer - outer.transpose(0, 2, 1)) / 2 * 50 / STEPS
        place = after
    points = np.stack(seen, axis=1)
    points = points - points.mean(axis=(0, 1))
    return state, modes, (points**2).mean(axis=1), areas, sigma


def standard_error(values):
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_variance_of_the_stiff_modes(simulated):
    state, modes, square, _, _ = simulated
    predicted = np.diag(modes.T @ state.covariance @ modes)
    ratio, error = square.mean(axis=0) / predicted, standard_error(square) / predicted
    assert np.all(np.abs(ratio - 1)[STIFF] < 4 * error[STIFF] + 0.005)
    assert np.all(error[STIFF] < 0.02)
    distinct = 190 / 199
    assert np.all(
        np.abs(ratio / distinct - 1)[5:] > 4 * error[5:]
    )  # negative control: samples that do not repeat


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_circulation_between_stiff_modes(simulated):
    state, modes, _, areas, _ = simulated
    predicted = (modes.T @ state.circulation @ modes)[STIFF, STIFF]
    found, error = areas.mean(axis=0)[STIFF, STIFF], standard_error(areas)[STIFF, STIFF]
    upper = np.triu_indices(4, 1)
    assert np.all(np.abs(found - predicted)[upper] < 4 * error[upper])
    assert np.abs(predicted[upper] / error[upper]).max() > 20  # resolved: turned round, it would fail
    assert np.abs(found + predicted)[upper].max() > 4 * error[upper].max()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_entropy_production(simulated):
    state, _, _, _, sigma = simulated
    assert abs(sigma.mean() - state.entropy_production) < 4 * standard_error(sigma)
    assert standard_error(sigma) < 0.03 * state.entropy_production
