"""Temperatures of models with dropout, batch normalisation, tied weights or branches, which are left alone."""

import numpy as np
import pytest
import torch
from torch import nn

from thermograd.errors import ConfigError
from thermograd.minibatching import WithReplacement

RATE = 0.1

DECAY = 0.3


def test_the_model_and_the_random_state_are_left_alone(measure, square):
    model = nn.Sequential(nn.Linear(24, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 1))
    model[3].bias.requires_grad_(False)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    numbers = np.random.get_state()[1].copy()  # ruff: ignore[numpy-legacy-random]
    expected = torch.rand(3)
    torch.manual_seed(3)
    reading = measure(model, square(), windows=3, burn_in=3, lags=6)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(np.random.get_state()[1], numbers)  # ruff: ignore[numpy-legacy-random]
    assert model.training
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
    assert reading.response_check == pytest.approx(1, abs=1e-9)


def test_dropout_masks_are_shared_by_the_copies(linear, measure):
    """Full batches: the masks are all the noise. In evaluation mode there is none left."""
    model = nn.Sequential(nn.Dropout(0.3), linear())
    options = {"minibatching": WithReplacement(None), "windows": 3, "lags": 6}
    reading = measure(model, **options)
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.short.value > 0
    still = measure(model.eval(), **options, burn_in=2000)
    assert (still.verdict.holds, still.verdict.kind) == (None, "no_noise")
    assert still.fit.value == 0


class Branching(nn.Module):
    """Has no batching rule; draws a mask, from torch or from elsewhere."""

    def __init__(self, linear, noise):
        super().__init__()
        self.linear, self.noise = linear, noise

    def forward(self, x):
        outputs = self.linear(x)
        if float(outputs.detach().sum()) > 1e9:
            return outputs
        return outputs * self.noise(len(outputs))


def test_models_without_a_batching_rule_run_one_by_one(linear, measure):
    reading = measure(
        Branching(linear(), lambda m: 0.8 + 0.4 * torch.rand(m, 1)), windows=3, burn_in=5, lags=6
    )
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    plain, alone = (
        measure(model, windows=3, burn_in=5, lags=6)
        for model in (linear(), Branching(linear(), lambda _: 1.0))
    )
    assert np.allclose(alone.curve, plain.curve, rtol=1e-6)


def test_copies_that_do_not_share_their_randomness(measure, linear):
    own = np.random.default_rng(0)
    model = Branching(linear(), lambda m: torch.from_numpy(own.uniform(0.5, 1.5, (m, 1))))
    with pytest.raises(ConfigError, match=r"do not share their randomness: the response after one step is"):
        measure(model, windows=3, burn_in=5, lags=6)


def normalised(training):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(24, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    with torch.no_grad():
        model[1].running_mean.fill_(0.1)
        model[1].running_var.fill_(0.2)
    return model.train(training)


def test_batch_normalisation(measure, square):
    options = {"windows": 3, "burn_in": 30, "lags": 8, "minibatching": WithReplacement(12)}
    train = measure(normalised(True), square(), **options, weight_decay=0.0)
    assert "nothing is stationary" in train.verdict.text
    assert "nothing is stationary" not in measure(normalised(True), square(), **options).verdict.text
    frozen = normalised(False)
    by_hand = normalised(False)
    scale = by_hand[1].weight.detach() / torch.sqrt(torch.tensor(0.2) + by_hand[1].eps)
    reading = measure(frozen, square(), **options, weight_decay=0.0)
    assert "nothing is stationary" not in reading.verdict.text
    assert not np.allclose(reading.curve, train.curve, rtol=0.01)

    class Affine(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = by_hand[1].weight, by_hand[1].bias

        def forward(self, x):
            return (x - 0.1) * (scale / by_hand[1].weight.detach()) * self.weight + self.bias

    other = nn.Sequential(by_hand[0], Affine(), nn.Tanh(), by_hand[3])
    assert np.allclose(measure(other, square(), **options, weight_decay=0.0).curve, reading.curve, rtol=1e-5)


class Tied(nn.Module):
    """One matrix in two places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.inner, self.back = nn.Linear(24, 5, bias=False), nn.Linear(24, 5, bias=False)
        self.back.weight = self.inner.weight

    def forward(self, x):
        return nn.functional.linear(torch.tanh(self.inner(x)), self.back.weight.T)


def test_tied_weights_are_one_parameter(measure):
    """As in a model that uses one matrix twice by itself."""

    class Once(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Tied().inner

        def forward(self, x):
            return nn.functional.linear(torch.tanh(self.inner(x)), self.inner.weight.T)

    options = {"loss": lambda out, _: out.square().sum(1), "windows": 3, "burn_in": 5, "lags": 6}
    tied, once = (measure(model, **options, groups="layer") for model in (Tied(), Once()))
    assert np.allclose(tied.curve, once.curve, rtol=1e-6)
    assert list(tied.groups) == list(once.groups) == ["inner"]
