"""Arguments of the wrong kind are named in the words of the library at every door, and nothing is computed from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGD, SGLD
from thermograd.errors import ConfigError
from thermograd.estimators import aging, first_passage, posterior, stationary_state, stochastic_area
from thermograd.numerics.argument_kind import check_number
from thermograd.perturbations import Reset
from thermograd.problems import Quadratic

LAND = tg.Landscape(sample_gradients=[[1.0], [-1.0]], hessian=[[1.0]])
CHAINS = {"prior_precision": 1.0, "batch_size": 20, "epochs": 2, "burn_in": 0}
DRAWS = tg.PosteriorDraws({"weight": np.ones((1, 1, 1, 1)), "bias": np.ones((1, 1, 1))})
MODULE = torch.nn.Linear(1, 1)


def experiment(**changes):
    return tg.Experiment(**({"problem": Quadratic(), "dynamics": SGD(0.1), "steps": 3} | changes))


WRONG = {
    "problem is NoneType; give a tg.Problem": lambda: tg.run(experiment(problem=None)),
    "dynamics is None": lambda: experiment(dynamics=None),
    "minibatching is None": lambda: experiment(minibatching=None),
    "observe is 0": lambda: experiment(observe=0),
    "start is 1.5": lambda: experiment(start=1.5),
    "device is 0.5": lambda: experiment(device=0.5),
    "store is a int; give a path": lambda: tg.run(experiment(), store=1),
    "until is 1.5": lambda: tg.run(experiment(), until=1.5),
    "takes a run in memory": lambda: tg.run(resume="runs/a"),
    "experiment is a Quadratic; give a thermograd.Experiment": lambda: tg.plan(Quadratic()),
    "path is None; give a path": lambda: tg.load_config(None),
    "path is a float": lambda: tg.open_run(0.5),
    "path is a list": lambda: tg.resume([]),
    "schedule is 'x'": lambda: tg.sample_posterior(Quadratic(), dynamics=SGLD(1e-3), schedule="x", **CHAINS),
    "prior_mean 'a' is a int": lambda: tg.sample_posterior(Quadratic(), prior_mean={"a": 1}, **CHAINS),
    "preconditioner 'a' is a int": lambda: tg.sample_posterior(
        Quadratic(), preconditioner={"a": 1}, **CHAINS
    ),
    "prior_precision is 'x'": lambda: tg.advise_posterior_step(
        Quadratic(), prior_precision="x", batch_size=20
    ),
    "draws is a dict; give tg.PosteriorDraws": lambda: tg.posterior_predictive({}, MODULE, np.ones((1, 1))),
    "noise_std is 'x'": lambda: tg.posterior_predictive(DRAWS, MODULE, np.ones((1, 1)), noise_std="x"),
    "parameters is a list; give arrays by name": lambda: tg.PosteriorDraws([1.0]),
    "target is None": lambda: tg.PerturbationStudy(target=None),
    r"candidate 'a' is the class SGD; give an object of it: SGD\(\)$": lambda: tg.PerturbationStudy(
        target=0.9, candidates={"a": SGD}
    ),
    "^model is a torch.SGD; give the torch.nn.Module": lambda: tg.Perturber(
        torch.optim.SGD(MODULE.parameters()), MODULE, Reset(), every=1
    ),
    "^experiment is a Problem; give a thermograd.Experiment$": lambda: tg.run(
        tg.Problem(model=MODULE, loss=torch.nn.MSELoss(), train=(np.ones((1, 1)), np.ones((1, 1))))
    ),
    r"direction is \[\]": lambda: tg.PerturbationStudy(target=0.9, direction=[]),
    "sample_gradients is a str, not numbers": lambda: tg.Landscape(sample_gradients="x", hessian=[[1.0]]),
    "shapes is a list; give a dict": lambda: tg.Landscape(
        sample_gradients=[[1.0]], hessian=[[1.0]], shapes=[1]
    ),
    "directions has shape": lambda: tg.Landscape(sample_gradients=[[1.0]], hessian=[[1.0]], directions=1),
    r"loss is \[1.0\]": lambda: tg.Landscape(sample_gradients=[[1.0]], hessian=[[1.0]], loss=[1.0]),
    "batch_size is inf": lambda: tg.stationary_state(LAND, learning_rate=0.1, batch_size=np.inf),
    "weight_decay is nan": lambda: tg.landscape(Quadratic(), weight_decay=np.nan),
    "directions is 'x'": lambda: tg.landscape(Quadratic(), directions="x"),
    "parameters is a str; give a tensor of 3": lambda: tg.landscape(Quadratic(), parameters="x"),
    "passages is a list; give what first_passage_times": lambda: first_passage.restricted_mean([1, 2]),
    "passages is a ndarray": lambda: first_passage.survival_function(np.ones(3)),
    "target must be a finite number, got x": lambda: first_passage.first_passage_times([[0.1]], "x"),
    "rows of equal length": lambda: first_passage.first_passage_times([[0.1], [0.1, 0.2]], 0.1),
    "circulation is a ndarray": lambda: stationary_state.detailed_balance(np.ones((2, 2))),
    "sums is a list; give what area_sums": lambda: stochastic_area.circulation([1.0]),
    "run is a ndarray; give a run": lambda: aging.table(np.ones(3)),
    "draws is a ndarray; give tg.PosteriorDraws": lambda: posterior.convergence(np.ones(3)),
}


@pytest.mark.parametrize("message", WRONG)
def test_the_argument_is_named_with_what_was_got(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


@pytest.mark.parametrize("value", [None, "1", True, np.nan, np.inf, [1.0], 1j, -0.5])
def test_what_is_no_number_of_the_range_is_refused(value):
    with pytest.raises(ConfigError, match="it must be a finite number, 0 or larger"):
        check_number("width", value, 0.0)
    check_number("width", np.float16(0.5), 0.0)
