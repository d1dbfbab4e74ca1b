from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from thermograd.problems.problem import Problem
from thermograd.reproductions.fluctuation_dissipation_training import (
    INDEPENDENT,
    Training,
    largest_curvature,
    sequence,
    squared_gradient,
)

DECAY = 0.02


def problem(samples=40, **more):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (samples,), generator=generator)
    return Problem(
        model=lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
        regulariser=DECAY / 2,
        **more,
    )


def objective(training, vector):
    """Loss over all samples with its regulariser, as a function of one vector."""
    model = training.model(0)
    shapes = {name: value.shape for name, value in model.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]
    weights = {
        name: part.reshape(shape)
        for (name, shape), part in zip(shapes.items(), vector.split(sizes), strict=True)
    }
    inputs, targets = training.data("train")
    outputs = torch.func.functional_call(model, weights, (inputs,))
    return training.problem.loss(outputs, targets).mean() + DECAY / 2 * vector.square().sum()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_two_sides_differ_by_what_the_distance_has_gained(momentum):
    """Summed over n steps O_L − O_R = −[(1−μ)(A_n − A_0)/2η + μ(B_n − B_0)]; B_0 = 0 where the velocity is 0."""
    training = Training(problem(), 10, momentum)
    start = training.model(1)
    before = sum(float(value.detach().square().sum()) for value in start.parameters())
    for found in sequence(training, (0.1, 0.05), (3, 2), seed=1):
        after = sum(float(value.square().sum()) for value in found.weights)
        difference = found.dissipation.sum() - found.fluctuation.sum()
        expected = -(1 - momentum) * (after - before) / (2 * found.learning_rate)
        if momentum:
            assert difference != pytest.approx(expected, rel=1e-3)  # the velocity at the end
        else:
            assert difference == pytest.approx(expected, rel=1e-9)
        before = after


def test_a_watched_training_is_the_plain_loop_bit_for_bit():
    training = Training(problem(), 10, 0.5)
    (found,) = sequence(training, (0.1,), (3,), seed=2, gradients=True)
    model = training.model(2)
    optimizer = training.sgd(model, 0.1)
    supply = training.epochs(2)
    for _ in range(3):
        for inputs, targets in next(supply):
            optimizer.zero_grad()
            training.loss(model, inputs, targets).backward()
            optimizer.step()
    assert all(torch.equal(one, two) for one, two in zip(found.weights, model.parameters(), strict=True))
    assert found.loss.shape == (12,)
    assert found.squared_gradient.shape == (3,)
    assert found.history[-1]["step"] == 12
    assert found.anchored is None  # three epochs are too few for a watch


def test_the_squared_gradient_is_that_of_the_objective():
    training = Training(problem(), 10)
    vector = nn.utils.parameters_to_vector(training.model(0).parameters()).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(training, vector), vector)
    expected = float(gradient.square().sum())
    assert squared_gradient(training, training.model(0)) == pytest.approx(expected, rel=1e-10)


def test_the_largest_curvature_is_that_of_the_whole_hessian():
    training = Training(problem(), 10)
    vector = nn.utils.parameters_to_vector(training.model(0).parameters()).detach()
    hessian = torch.autograd.functional.hessian(lambda x: objective(training, x), vector)
    expected = float(torch.linalg.eigvalsh(hessian)[-1])
    weights = [value.detach() for value in training.model(0).parameters()]
    assert largest_curvature(training, weights, 300) == pytest.approx(expected, rel=1e-3)
    assert largest_curvature(training, weights, 1) < expected


def test_independent_batches_repeat_samples_within_an_epoch_and_reshuffled_ones_do_not():
    for sampling, repeats in (("without_replacement", False), (INDEPENDENT, True)):
        training = Training(problem(), 10, sampling=sampling)
        supply = training.epochs(0)
        first = torch.cat([inputs for inputs, _ in next(supply)])
        assert len(first) == 40
        assert (len(torch.unique(first, dim=0)) < 40) is repeats
        assert not torch.equal(first, torch.cat([inputs for inputs, _ in next(supply)]))


def test_a_regulariser_that_is_a_function_is_no_weight_decay():
    written = Problem(
        model=lambda: nn.Linear(4, 3),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.zeros(4, 4), torch.zeros(4, dtype=torch.int64)),
        regulariser=lambda weights: torch.zeros(()),
    )
    with pytest.raises(TypeError, match="is a function"):
        _ = Training(written, 2).weight_decay


def test_initial_weights_depend_on_the_seed_alone():
    training = Training(problem(), 10)
    state = torch.random.get_rng_state()
    one, two = training.model(5), training.model(5)
    assert torch.equal(one[0].weight, two[0].weight)
    assert not torch.equal(one[0].weight, training.model(6)[0].weight)
    assert torch.equal(state, torch.random.get_rng_state())
    assert one[0].weight.dtype == torch.float64
    assert np.isclose(training.weight_decay, DECAY)
