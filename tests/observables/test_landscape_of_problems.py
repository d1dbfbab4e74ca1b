"""tg.landscape of the built-in problems against numbers from an independent program, and of unusual models."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import TensorDataset

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.observables.landscape import (
    landscape,
    minimize_effective_loss,
)
from thermograd.problems.digits_linear import DigitsLinear
from thermograd.problems.mnist_linear import MnistLinear
from thermograd.problems.nonlinear_regression import NonlinearRegression


def test_regression_with_seven_parameters(recorded_regression):
    """From the recorded minimum; numbers of an independent program."""
    x, y, minimum = recorded_regression
    problem = NonlinearRegression(x=x, y=y)
    land = landscape(
        problem, parameters=torch.from_numpy(minimum), sample_hessians=True, third_derivative=True
    )
    assert land.loss == pytest.approx(153.6228639284, rel=1e-12)
    spectrum = [
        55.02366428,
        58.51554271,
        397.25436874,
        1848.56410047,
        3097.66637326,
        24658.45687005,
        28317.70872413,
    ]
    np.testing.assert_allclose(np.linalg.eigvalsh(land.hessian), spectrum, rtol=1e-9)
    shift = (
        minimize_effective_loss(
            problem, None, torch.from_numpy(minimum), learning_rate=1e-7, batch_size=10
        ).numpy()
        - minimum
    )
    expected = [4.493254e-5, 2.945617e-5, 4.546668e-5, -2.918966e-5, -4.240289e-5, 4.177577e-5, 4.478984e-6]
    np.testing.assert_allclose(shift, expected, rtol=2e-4)


def test_linear_classifier_of_digits():
    """Numbers of an independent program: landscape and stationary state of 160 weights."""
    land = landscape(DigitsLinear(), refine=True)
    assert land.loss == pytest.approx(0.5799013955, rel=1e-9)
    values = np.linalg.eigvalsh(land.hessian)
    np.testing.assert_allclose(values[[0, -1]], [0.02169024, 4.92741813], rtol=1e-6)
    discrete = tg.stationary_state(land, learning_rate=1e-2, batch_size=20)
    continuous = tg.stationary_state(land, learning_rate=1e-2, batch_size=20, time="continuous")
    assert np.trace(discrete.covariance) == pytest.approx(2.2817415e-3, rel=1e-6)
    assert np.trace(continuous.covariance) == pytest.approx(2.2741206e-3, rel=1e-6)
    assert np.linalg.norm(continuous.circulation) == pytest.approx(1.2703206e-6, rel=1e-6)
    assert discrete.excess_loss == pytest.approx(7.6208306e-4, rel=1e-6)
    assert continuous.entropy_production == pytest.approx(3.15646554, rel=1e-6)
    slow = tg.stationary_state(land, learning_rate=1e-4, batch_size=20, time="continuous")
    assert slow.entropy_production == pytest.approx(0.0315646554, rel=1e-6)


def test_linear_classifier_of_a_small_mnist(named_data):
    """10 weights belong to a pixel that is always 0 and move with the regulariser only."""
    land = landscape(MnistLinear(train_samples=5000), refine=True)
    state = tg.stationary_state(land, learning_rate=1e-2, batch_size=100, time="continuous")
    assert np.trace(state.covariance) == pytest.approx(9.6481709e-4, rel=1e-6)
    still = np.diagonal(state.covariance) < 1e-20
    assert still.sum() == 10
    assert land.sample_gradients.shape == (5000, 490)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_linear_classifier_of_mnist(named_data):
    land = landscape(MnistLinear(train_samples=60_000), refine=True)
    assert land.loss == pytest.approx(0.569153267, rel=1e-8)
    np.testing.assert_allclose(np.linalg.eigvalsh(land.hessian)[[0, -1]], [0.02000016, 4.44337176], rtol=1e-6)
    state = tg.stationary_state(land, learning_rate=1e-4, batch_size=100, time="continuous")
    assert np.trace(state.covariance) == pytest.approx(1.0138961e-5, rel=1e-6)
    assert np.linalg.norm(state.circulation) == pytest.approx(2.7151765e-11, rel=1e-5)
    assert state.entropy_production == pytest.approx(1.379e-2, rel=1e-2)


class Recurrent(nn.Module):
    """A layer that cannot be batched over samples."""

    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTM(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, inputs):
        return self.out(self.cell(inputs)[0][:, -1])


@pytest.mark.parametrize("kind", ["attention", "recurrent"])
def test_operations_without_forward_mode_or_batching(kind):
    """Fused attention and recurrent cells, against derivatives of torch, sample by sample."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        attention = nn.TransformerEncoderLayer(2, 1, 2, batch_first=True, dropout=0.0)
        model = (
            Recurrent() if kind == "recurrent" else nn.Sequential(attention, nn.Flatten(), nn.Linear(6, 2))
        )
        inputs, targets = torch.randn(3, 3, 2), torch.tensor([0, 1, 0])
    model.eval()
    land = landscape(model, TensorDataset(inputs, targets), criterion=cross_entropy)
    double = copy.deepcopy(model).double()
    weights = list(double.parameters())
    loss = cross_entropy(double(inputs.double()[1:2]), targets[1:2])
    slope = torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, weights)])
    np.testing.assert_allclose(land.sample_gradients[1], slope, atol=1e-10)
    point, vector = torch.from_numpy(land.parameters), torch.linspace(-1, 1, land.parameters.size).double()
    up, down = (
        landscape(model, (inputs, targets), point + sign * 1e-7 * vector, criterion=cross_entropy).gradient
        for sign in (1, -1)
    )
    np.testing.assert_allclose(land.hessian @ vector.numpy(), (up - down) / 2e-7, rtol=1e-5, atol=1e-6)


def test_mean_square_error_is_averaged_over_outputs(small_network):
    inputs, targets = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 2)
    model = small_network(classes=2)
    land = landscape(model, (inputs, targets), criterion=mse_loss)
    assert land.loss == pytest.approx(mse_loss(model(inputs), targets).item(), rel=1e-5)


def test_the_inputs_of_a_model_without_targets_are_named():
    inputs = torch.zeros(5, 3)
    for data in (inputs, (inputs,), torch.utils.data.TensorDataset(inputs)):
        with pytest.raises(ConfigError, match=r"\(inputs, targets\), got one tensor of shape \(5, 3\)"):
            landscape(torch.nn.Linear(3, 2), data, criterion=torch.nn.functional.cross_entropy)
