"""Gradient norms along training against autograd at stored weights and the batches of the run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables.gradient_norm import GradientNorm
from thermograd.problems.problem import Problem


@pytest.mark.parametrize("engine", ["eager", "kernel"])
def test_against_autograd(engine):
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(60, 5, generator=generator), torch.randint(3, (60,), generator=generator)
    problem = Problem(
        model=lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
        regulariser=0.05,
        dtype="float64",
    )
    experiment = tg.Experiment(
        problem,
        dynamics=SGD(0.3),
        minibatching=WithoutReplacement(batch_size=20),
        trajectories=3,
        steps=7,
        observe=[GradientNorm(at=Every(1)), GradientNorm(at=Every(1), batch="full")],
        save_weights=Every(1),
        engine=engine,
        seed=4,
    )
    try:
        run = tg.run(experiment)
    except EngineUnavailableError as absent:
        pytest.skip(str(absent))
    model = problem.model().double()
    for trajectory in range(3):
        for time in range(7):
            weights = {
                n: torch.from_numpy(v[trajectory]).requires_grad_() for n, v in run.weights(time).items()
            }
            indices = torch.as_tensor(np.array(experiment.indices(trajectory, time)))
            for name, chosen in (("gradient_norm", indices), ("full_gradient_norm", torch.arange(60))):
                outputs = torch.func.functional_call(model, weights, (x.double()[chosen],))
                loss = nn.functional.cross_entropy(outputs, y[chosen])
                loss = loss + 0.05 * sum(value.square().sum() for value in weights.values())
                slopes = torch.autograd.grad(loss, list(weights.values()))
                exact = float(torch.cat([slope.reshape(-1) for slope in slopes]).norm())
                assert run[name][trajectory, time] == pytest.approx(exact, rel=1e-10)
    assert run["gradient_norm"].shape == (3, 8)


def test_an_unknown_batch_is_refused():
    with pytest.raises(ValueError, match="'minibatch' or 'full'"):
        GradientNorm(batch="half")
