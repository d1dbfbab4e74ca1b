"""Engines on a GPU beside the reference engine on the processor; only where there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.accelerated import AcceleratedEngine
from thermograd.ensemble.engines.batched_update import traceable_update
from thermograd.ensemble.engines.cuda_graph import GraphUpdates
from thermograd.ensemble.engines.eager import EagerEngine
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import Loss, StochasticArea
from thermograd.problems import NonlinearRegression, Quadratic

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: torch finds no CUDA device")

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(200, 2, generator=GENERATOR)
Y = torch.randint(0, 4, (200,), generator=GENERATOR)
TANH = tg.Problem(
    model=lambda: nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 4)),
    loss=nn.CrossEntropyLoss(reduction="none"),
    train=(X, Y),
)
TOLERANCES = {"float64": 1e-12, "float32": 5e-6}


@dataclass(frozen=True)
class Langevin:
    """Descent with noise."""

    learning_rate: float = 0.05

    def start(self, weights):
        return {}

    def step(self, weights, state, oracle, step):
        slope, noise = oracle.gradient(weights), oracle.normal()
        return {n: w - self.learning_rate * slope[n] + 0.01 * noise[n] for n, w in weights.items()}, state


CASES = {
    "regression": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(10)),
    "regression, with replacement": (NonlinearRegression(), SGD(1e-7), WithReplacement(10)),
    "regression, spread": (NonlinearRegression(), SGD(1e-7), WithoutReplacement(7, remainder="spread")),
    "tanh, momentum": (TANH, SGD(0.1, momentum=0.9), WithReplacement(60)),
    "tanh, noise": (TANH, Langevin(), WithoutReplacement(20)),
    "tanh, persistent": (TANH, SGD(0.1), Persistent(0.1, persistence=20)),
}


def experiment(problem, dynamics, minibatching, **settings):
    chosen = {"trajectories": 70, "steps": 20, "seed": 5, "observe": [Loss(at=At((0,)))]} | settings
    return tg.Experiment(problem, minibatching, dynamics, **chosen)


def with_graphs(given):
    given = replace(given, device="cuda")
    eager = EagerEngine(given, "vmap", random_forward=False, changing_buffers=False)
    engine = AcceleratedEngine(given, eager, GraphUpdates(given, traceable_update(given)))
    block = engine.advance(engine.start(range(given.trajectories)), given.total_steps)
    return {name: value.cpu().numpy() for name, value in block.weights.items()}, block.diverged_at


def with_kernel(given):
    run = tg.run(replace(given, device="cuda", engine="kernel"))
    assert run.engine == "kernel"
    return run.weights(), run.diverged_at


@pytest.mark.parametrize("engine", [with_kernel, with_graphs])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_are_those_of_the_processor(case, dtype, engine):
    given = experiment(*CASES[case], dtype=dtype)
    expected = tg.run(replace(given, engine="eager")).weights()
    found, _ = engine(given)
    for name, value in expected.items():
        assert np.abs(found[name] - value).max() <= TOLERANCES[dtype] * np.abs(value).max(), name


@pytest.mark.parametrize("engine", [with_kernel, with_graphs])
def test_divergence_is_exact(engine):
    start = {"theta": torch.ones(30, 2, dtype=torch.float64)}
    start["theta"][::3] *= 1e306
    tame = experiment(
        Quadratic(curvatures=(1.0, 3.0)), SGD(0.9), WithReplacement(20), trajectories=30, steps=60
    )
    (name,) = tame.initial_weights([0])
    given = replace(tame, start={name: start["theta"]})
    expected = tg.run(replace(given, engine="eager"))
    found, diverged_at = engine(given)
    np.testing.assert_array_equal(diverged_at, expected.diverged_at)
    np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(expected.weights()[name]))


def test_accumulators_and_resuming():
    observe = [StochasticArea(every=Every(3), at=Every(6))]
    given = experiment(
        TANH, SGD(0.1), WithoutReplacement(40), observe=observe, device="cuda", engine="kernel"
    )
    whole, resumed = tg.run(given), tg.run(resume=tg.run(given, until=10))
    expected = tg.run(replace(given, device="cpu", engine="eager"))
    for name in expected.names:
        np.testing.assert_array_equal(whole[name], resumed[name])
        np.testing.assert_allclose(whole[name], expected[name], atol=1e-10 * np.abs(expected[name]).max())


def test_what_is_chosen():
    given = experiment(TANH, SGD(0.1), WithoutReplacement(40), steps=3000, device="cuda")
    assert (tg.plan(given).engine, tg.plan(given).mode) == ("kernel", "threads")
    wide = replace(TANH, model=lambda: nn.Sequential(nn.Linear(2, 40), nn.Tanh(), nn.Linear(40, 4)))
    plan = tg.plan(replace(given, problem=wide))
    assert (plan.engine, plan.mode) == ("eager", "graph")
    assert "at most 128 parameters on a GPU" in dict(plan.rejected)["kernel"]
    assert "graph" in tg.run(replace(given, problem=wide, steps=40)).reason
