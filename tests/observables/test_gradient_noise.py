"""Gradient noise of live models: exact over all halves, and nothing but the numbers changes."""

import itertools
import math

import pytest
import torch
from torch import nn

from thermograd.estimators.gradient_noise import gradient_noise_scale
from thermograd.observables.gradient_noise import gradient_noise


def regression(samples=6):
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(samples, 3, generator=generator, dtype=torch.float64)
    targets = torch.randn(samples, generator=generator, dtype=torch.float64)
    return inputs, targets


def loss(weights, batch):
    inputs, targets = batch
    return (inputs @ weights["slope"] + weights["offset"] - targets).square().mean()


WEIGHTS = {
    "slope": torch.tensor([0.3, -1.0, 0.1], dtype=torch.float64),
    "offset": torch.tensor(0.2, dtype=torch.float64),
}


def per_sample_gradients(inputs, targets):
    rows = [torch.func.grad(loss)(WEIGHTS, (x[None], y[None])) for x, y in zip(inputs, targets, strict=True)]
    return torch.stack([torch.cat([row["slope"], row["offset"][None]]) for row in rows])


def test_exact_over_all_half_splits():
    inputs, targets = regression()
    gradients = per_sample_gradients(inputs, targets)
    mean = gradients.mean(0)
    trace = float((gradients - mean).square().sum() / 5)
    found = []
    for half in itertools.combinations(range(6), 3):
        order = [*half, *(set(range(6)) - set(half))]
        noise = gradient_noise(loss, WEIGHTS, (inputs[order], targets[order]))
        found.append((noise.trace.value, noise.squared_gradient.value))
    average = torch.tensor(found, dtype=torch.float64).mean(0)
    assert average.tolist() == pytest.approx([trace, float(mean @ mean) - trace / 6], rel=1e-12)


def test_halves_of_an_odd_batch():
    inputs, targets = regression(5)
    gradients = per_sample_gradients(inputs, targets)
    first, second = gradients[:2].mean(0), gradients[2:].mean(0)
    noise = gradient_noise(loss, WEIGHTS, (inputs, targets))
    assert noise.trace.value == pytest.approx(
        float((first - second).square().sum()) / (1 / 2 + 1 / 3), rel=1e-12
    )


def test_halves_are_multiplied():
    inputs, targets = regression()
    gradients = per_sample_gradients(inputs, targets)
    noise = gradient_noise(loss, WEIGHTS, [inputs, targets])
    expected = float(gradients[:3].mean(0) @ gradients[3:].mean(0))
    assert noise.squared_gradient.value == pytest.approx(expected, rel=1e-12)


def test_many_batches_know_the_noise_scale_of_a_population():
    """Gradient of a mean: samples of variance 4 about 0.5, so S = 4, |∇f|² = 0.25, noise scale 16."""
    generator = torch.Generator().manual_seed(8)
    noises = []
    for _ in range(400):
        batch = 0.5 + 2.0 * torch.randn(20, generator=generator, dtype=torch.float64)
        noises.append(gradient_noise(lambda w, x: (w[0] * x).mean(), [torch.zeros(1).double()], batch))
    pooled = gradient_noise_scale(
        [noise.trace.value for noise in noises], [noise.squared_gradient.value for noise in noises]
    )
    assert pooled.trace.low < 4 < pooled.trace.high
    assert pooled.squared_gradient.low < 0.25 < pooled.squared_gradient.high
    assert pooled.noise_scale.low < 16 < pooled.noise_scale.high < 30


def test_a_live_model_is_untouched():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1))
    model[0].bias.requires_grad_(False)
    unused = nn.Parameter(torch.ones(2))
    parameters = [*model.parameters(), unused]
    inputs, targets = regression()
    inputs, targets = inputs.float(), targets.float()
    model(inputs).sum().backward()
    before = [None if p.grad is None else p.grad.clone() for p in parameters]
    state = torch.get_rng_state()
    noise = gradient_noise(
        lambda _, batch: (model(batch["x"])[:, 0] - batch["y"]).square().mean(),
        iter(parameters),
        {"x": inputs, "y": targets},
    )
    assert noise.trace.value > 0
    assert noise.pieces == 1
    assert noise.noise_scale.high == math.inf
    assert torch.equal(state, torch.get_rng_state())
    for parameter, gradient in zip(parameters, before, strict=True):
        assert parameter.grad is None if gradient is None else torch.equal(parameter.grad, gradient)


def test_also_without_autograd_around_it():
    inputs, targets = regression()
    with torch.no_grad():
        noise = gradient_noise(loss, WEIGHTS, (inputs, targets))
    assert noise.trace.value > 0
    assert not WEIGHTS["slope"].requires_grad


@pytest.mark.parametrize("batch", [torch.ones(1, 3), (torch.ones(4, 3), torch.ones(3))])
def test_bad_batches(batch):
    with pytest.raises(ValueError, match="tensors of one length, with two samples or more"):
        gradient_noise(loss, WEIGHTS, batch)
