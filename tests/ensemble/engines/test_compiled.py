"""The compiled engine beside the reference engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.engines.kernel import compiler
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables import DissipationAndFluctuation, Loss
from thermograd.problems import Quadratic

pytestmark = pytest.mark.skipif(
    compiler.compiler() is None, reason="no C++ compiler, which torch.compile needs"
)

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(40, 3, generator=GENERATOR)
Y = torch.randint(0, 4, (40,), generator=GENERATOR)
CLASSIFIER = tg.Problem(
    model=lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)),
    loss=nn.CrossEntropyLoss(reduction="none"),
    train=(X, Y),
)


class Noisy(SGD):
    """SGD with noise that cools."""

    def step(self, weights, state, oracle, step):
        moved, state = super().step(weights, state, oracle, step)
        noise = oracle.normal()
        return {name: value + 1e-3 / (1 + step) * noise[name] for name, value in moved.items()}, state


@pytest.mark.timeout(600)
def test_updates_records_and_accumulators_are_those_of_the_reference():
    given = tg.Experiment(
        CLASSIFIER,
        WithoutReplacement(12, remainder="spread"),
        Noisy(0.1, momentum=0.9),
        observe=[Loss(at=Every(5)), DissipationAndFluctuation(every=Every(3), at=Every(5))],
        trajectories=5,
        block_size=3,
        steps=20,
        seed=2,
    )
    eager, compiled = (tg.run(replace(given, engine=engine)) for engine in ("eager", "compiled"))
    assert compiled.reason.startswith("compiled (vmap): 44 parameters, 3 trajectories")
    for name, value in eager.weights().items():
        assert np.abs(compiled.weights()[name] - value).max() <= 1e-12 * np.abs(value).max()
    for name in eager.names:
        np.testing.assert_allclose(compiled[name], eager[name], rtol=1e-9, atol=1e-14)
    resumed = tg.run(resume=tg.run(replace(given, engine="compiled"), until=7))
    for name, value in compiled.weights().items():
        np.testing.assert_array_equal(resumed.weights()[name], value)


@pytest.mark.timeout(600)
def test_divergence_is_exact_and_leaves_the_others_alone():
    problem = Quadratic(curvatures=(1.0, 3.0))
    scale = torch.tensor([1e306 if k % 3 == 0 else 1.0 for k in range(9)], dtype=torch.float64)[:, None]
    start = {"position": torch.randn(9, 2, generator=GENERATOR, dtype=torch.float64)}
    given = tg.Experiment(
        problem,
        WithReplacement(20),
        SGD(0.9),
        observe=[Loss(at=At((0,)))],
        trajectories=9,
        steps=60,
        engine="compiled",
    )
    tame = tg.run(replace(given, start=start)).weights()["position"]
    huge = replace(given, start={"position": start["position"] * scale})
    found, expected = tg.run(huge), tg.run(replace(huge, engine="eager"))
    gone = found.diverged_at >= 0
    np.testing.assert_array_equal(found.diverged_at, expected.diverged_at)
    assert 0 < gone.sum() < 9
    assert np.isnan(found.weights()["position"][gone]).all()
    np.testing.assert_array_equal(found.weights()["position"][~gone], tame[~gone])


def test_it_is_chosen_where_the_kernel_is_not_and_the_run_is_long():
    wide = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(3, 80), nn.Tanh(), nn.Linear(80, 4)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(X, Y),
    )
    given = tg.Experiment(wide, WithoutReplacement(10), steps=200_000)
    plan = tg.plan(given)
    assert plan.engine == "compiled"
    assert "200000 batched updates against about 10 s of compilation" in plan.reason
    short = tg.plan(replace(given, steps=1000))
    assert "do not repay" in dict(short.rejected)["compiled"]


def test_what_draws_in_the_forward_pass_cannot_be_compiled():
    dropout = tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout()),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(X, Y),
    )
    with pytest.raises(EngineUnavailableError, match="compiled: the forward pass draws random numbers"):
        tg.plan(tg.Experiment(dropout, WithoutReplacement(10), steps=10, engine="compiled"))
