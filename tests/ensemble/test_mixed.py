"""`dtype="mixed"`: gradients in float32, everything else in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

import thermograd as tg
from thermograd.dynamics import SGD, Adam
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.observables import Loss
from thermograd.problems import NonlinearRegression

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(40, 3, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(0, 4, (40,), generator=GENERATOR)
CLASSIFIER = tg.Problem(
    model=lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)),
    loss=nn.CrossEntropyLoss(reduction="none"),
    train=(X, Y),
    regulariser=0.01,
)


def by_hand(experiment, optimiser):
    """float64 weights moved by an optimiser of torch with gradients of a float32 copy of the model."""
    problem = experiment.functional.problem
    inputs, targets = (part.float() if part.is_floating_point() else part for part in problem.train)
    weights = {
        name: torch.from_numpy(value[0]).requires_grad_()
        for name, value in experiment.initial_weights([0]).items()
    }
    model, moving = problem.model(), optimiser(list(weights.values()))
    for step in range(experiment.total_steps):
        chosen = torch.from_numpy(experiment.indices(0, step))
        rounded = {name: value.detach().float().requires_grad_() for name, value in weights.items()}
        loss = problem.loss(functional_call(model, rounded, (inputs[chosen],)), targets[chosen]).mean()
        loss = loss + problem.regulariser * sum(value.square().sum() for value in rounded.values())
        for value, slope in zip(
            weights.values(), torch.autograd.grad(loss, list(rounded.values())), strict=True
        ):
            value.grad = slope.double()
        moving.step()
    return {name: value.detach().numpy() for name, value in weights.items()}


@pytest.mark.parametrize(
    ("problem", "dynamics", "optimiser"),
    [
        (CLASSIFIER, SGD(0.1, momentum=0.9), lambda values: torch.optim.SGD(values, 0.1, momentum=0.9)),
        (CLASSIFIER, Adam(0.01), lambda values: torch.optim.Adam(values, 0.01)),
        (NonlinearRegression(), SGD(1e-6), lambda values: torch.optim.SGD(values, 1e-6)),
    ],
)
def test_updates_are_those_of_a_loop_written_by_hand(problem, dynamics, optimiser):
    experiment = tg.Experiment(
        problem,
        WithoutReplacement(10),
        dynamics,
        observe=[Loss()],
        trajectories=1,
        steps=20,
        dtype="mixed",
        engine="eager",
    )
    found = tg.run(experiment).weights()
    for name, value in by_hand(experiment, optimiser).items():
        # vmap adds float32 products in another order than the loop
        np.testing.assert_allclose(found[name][0], value, rtol=1e-6, atol=1e-7)
        assert found[name].dtype == np.float64


def regression(dtype, **settings):
    """Trajectories near the minimum, with noise in float64 smaller than a float32 can hold."""
    return tg.run(
        tg.Experiment(
            NonlinearRegression(),
            WithoutReplacement(10),
            SGD(1e-7),
            observe=[Loss(at=At((0,)))],
            trajectories=16,
            steps=400,
            seed=3,
            dtype=dtype,
            engine="eager",
            **settings,
        )
    ).weights()


def test_mixed_follows_float64_where_float32_does_not():
    exact, mixed, single = (regression(dtype) for dtype in ("float64", "mixed", "float32"))
    stationary = 3e-6  # standard deviation of the flat directions without replacement
    for name, value in exact.items():
        assert np.abs(mixed[name] - value).max() < 0.02 * stationary
    assert max(np.abs(single[name] - value).max() for name, value in exact.items()) > 0.05 * stationary


def test_records_are_float64_and_a_resumed_run_is_the_same():
    experiment = tg.Experiment(
        CLASSIFIER, WithoutReplacement(10), SGD(0.1), trajectories=3, epochs=5, dtype="mixed"
    )
    whole = tg.run(experiment)
    resumed = tg.run(resume=tg.run(experiment, until=7))
    assert whole["train_loss"].dtype == np.float64
    for name, value in whole.weights().items():
        np.testing.assert_array_equal(resumed.weights()[name], value)


def test_buffers_of_batch_normalisation_are_kept_in_float64():
    problem = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 4)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(X, Y),
    )
    settings = dict(trajectories=2, epochs=3, minibatching=WithoutReplacement(10))
    exact, mixed = (tg.run(tg.Experiment(problem, dtype=dtype, **settings)) for dtype in ("float64", "mixed"))
    np.testing.assert_allclose(mixed["train_loss"], exact["train_loss"], rtol=1e-4)
    assert not np.array_equal(mixed["train_loss"], exact["train_loss"])
