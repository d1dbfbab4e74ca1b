import math

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.observables import Loss
from thermograd.perturbations import WarmRestart
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.problems import Quadratic


def rates(perturbation, due, steps, start=0):
    """The learning rate at each step, kicks due at the steps in `due`."""
    state, found = {"hyperparameters/learning_rate": torch.tensor(9.0)}, []
    for step in range(start, steps):
        context = PerturbationContext(None, 0, 0, step, Moment(due=step in due))
        weights, state = perturbation.apply({"w": torch.ones(1)}, state, context)
        assert torch.equal(weights["w"], torch.ones(1))
        found.append(float(state["hyperparameters/learning_rate"]))
    return np.array(found)


def test_without_restarts_half_a_cosine_then_low_as_torchs_scheduler():
    got = rates(WarmRestart(high=0.5, low=0.1, period=8), due=(), steps=15)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8, eta_min=0.1)
    expected = []
    for _ in range(9):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(got[:9], expected, atol=1e-7)
    np.testing.assert_allclose(got[9:], 0.1, atol=1e-7)


def test_restarts_with_growing_periods_as_torchs_scheduler():
    got = rates(WarmRestart(high=0.5, low=0.1, period=3, growth=2), due=(3, 9), steps=21)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2, eta_min=0.1)
    expected = []
    for _ in range(21):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_in_an_ensemble_the_rate_of_each_update_is_that_of_its_step():
    experiment = tg.Experiment(
        Quadratic(curvatures=(1.0,), samples=4),
        dynamics=SGD(0.3),
        minibatching=WithoutReplacement(batch_size=None),
        perturbation=WarmRestart(high=0.4, low=0.0, period=5),
        perturb=At((5,)),
        observe=[Loss(at=At(tuple(range(9))))],
        save_weights=At(tuple(range(9))),
        trajectories=2,
        steps=8,
    )
    run = tg.run(experiment)
    centre = float(experiment.functional.train[0].mean())
    schedule = [0.2 * (1 + math.cos(math.pi * u / 5)) for u in (0, 1, 2, 3, 4, 0, 1, 2)]
    name = next(iter(run.weights()))
    for step, rate in enumerate(schedule):
        before, after = (run.weights(t)[name].ravel() for t in (step, step + 1))
        np.testing.assert_allclose(after - centre, (1 - rate) * (before - centre), atol=1e-12)


def test_not_covered_by_the_prediction():
    assert WarmRestart(period=10).not_covered(20) is None
    assert "interval" in WarmRestart(period=20).not_covered(20)
    assert "grows" in WarmRestart(growth=2).not_covered(20)


@pytest.mark.parametrize(
    "options", [{"low": 0.2, "high": 0.1}, {"period": 0}, {"growth": 0.5}, {"high": math.nan}]
)
def test_bad_fields(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        WarmRestart(**options)


def test_no_learning_rate_to_set():
    with pytest.raises(ValueError, match="no learning_rate"):
        WarmRestart().apply({}, {}, PerturbationContext(None, 0, 0, 0))
