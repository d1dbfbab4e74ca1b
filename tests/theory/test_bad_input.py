"""Arguments that cannot be are refused by theory in the library's own words, before numpy sees them."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError, MemoryLimitError
from thermograd.problems import GaussianMixture
from thermograd.quantities import Landscape
from thermograd.theory import first_passage, fluctuation_dissipation, mean_field, posterior, stationary_state
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion

HESSIANS = np.array([[[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 3.0]], [[1.5, 0.2], [0.2, 1.0]]] * 2)
LAND = Landscape(sample_gradients=[[1.0, 0.0], [-1.0, 0.5], [0.0, -0.5]] * 2, sample_hessians=HESSIANS)
SETTINGS = {"learning_rate": 0.01, "batch_size": 2}
STATE = stationary_state.predict(LAND, **SETTINGS)
MIXTURE = GaussianMixture(dimension=10, initial_overlap=0.5)
SOLVED = mean_field.solve(MIXTURE, learning_rate=0.1, steps=4, paths=8, seeds=2)
SMALL = {"learning_rate": 0.1, "steps": 2, "paths": 4, "seeds": 1}
ALIVE = 0.9 ** np.arange(11)
UNIT = posterior.Gaussian([0.0], [[1.0]])

REFUSED = {
    "survival is a str": lambda: first_passage.perturbed_mean("abc", 1.0),
    "residual is nan": lambda: first_passage.perturbed_mean(ALIVE, float("nan")),
    "residual is -1": lambda: first_passage.perturbed_mean(ALIVE, -1),
    "relaxation_time is -3": lambda: first_passage.perturbed_mean(ALIVE, 1.0, relaxation_time=-3),
    "relaxation_time is a str": lambda: first_passage.perturbed_mean(ALIVE, 1.0, relaxation_time="x"),
    "measured_at is 0; it must be a whole": lambda: first_passage.perturbed_mean(ALIVE, 1.0, measured_at=0),
    "intervals is a str": lambda: first_passage.restart_mean(ALIVE, "every day"),
    r"intervals must be whole numbers from 1 to the horizon 10, got \[1e\+30\]": lambda: (
        first_passage.restart_mean(ALIVE, 10**30)
    ),
    r"intervals must be .*, got \[\]": lambda: first_passage.restart_mean(ALIVE, []),
    r"at least 1 step, got \[\]": lambda: first_passage.restart_mean(ALIVE, [], waiting="geometric"),
    "prediction is a list": lambda: first_passage.best_interval([3.0]),
    "level is 95": lambda: first_passage.best_interval(first_passage.restart_mean(ALIVE), level=95),
    "curvatures is a str": lambda: fluctuation_dissipation.quadratic("steep", 1.0, 0.1),
    "learning_rate is '0.1'": lambda: fluctuation_dissipation.quadratic([1.0], 1.0, "0.1"),
    "landscape is a list": lambda: stationary_state.diffusion([1.0], **SETTINGS),
    "landscape is None": lambda: stationary_state.effective_minimum(None, **SETTINGS),
    "landscape is a str": lambda: stationary_state.linear_scaling("here", **SETTINGS, factor=2),
    "landscape is a dict": lambda: reshuffled_diffusion({}, **SETTINGS),
    "landscape is a float": lambda: posterior.exact_posterior(1.5),
    "landscape is a int; give what": lambda: posterior.stationary_distribution(3, "sgld", **SETTINGS),
    "landscape is a tuple": lambda: posterior.fokker_planck_distribution((), "sgld", **SETTINGS),
    "factor is -2": lambda: stationary_state.linear_scaling(LAND, **SETTINGS, factor=-2),
    "batch_size is 'all'": lambda: stationary_state.linear_scaling(
        LAND, learning_rate=0.1, batch_size="all", factor=2
    ),
    r"learning_rate is 1e\+308; .* to 1e\+75": lambda: stationary_state.diffusion(
        LAND, learning_rate=1e308, batch_size=2
    ),
    "hessian is a str": lambda: stationary_state.earthquake("flat"),
    "mean has shape": lambda: stationary_state.linear_process([[0.5]], [[1.0]], [float("nan")]),
    "no variance is negative": lambda: stationary_state.linear_process(
        np.eye(2) / 2, [[1.0, 2.0], [2.0, 1.0]]
    ),
    "count is -1": lambda: STATE.sample(-1, 0),
    "seed is -1": lambda: STATE.sample(1, -1),
    "no quantity 3": lambda: STATE.prediction(3),
    "coordinate is 7; it must be a whole number from 0 to 1": lambda: STATE.marginal(7),
    "no coordinate was given": lambda: STATE.marginal(),
    r"points have shape \(3,\)": lambda: STATE.velocity([1.0, 2.0, 3.0]),
    "points is a str": lambda: STATE.velocity("there"),
    "orders is 0": lambda: posterior.stationary_distribution(LAND, "sgld", **SETTINGS, orders=0),
    "seed is None": lambda: posterior.stationary_distribution(LAND, "sgworld", **SETTINGS, seed=None),
    r"batch_size is 2\.0": lambda: posterior.stationary_distribution(
        LAND, "sgworld", learning_rate=0.01, batch_size=2.0
    ),
    "prior_precision is None": lambda: posterior.regression_posterior(
        [[1.0]], [1.0], noise_std=1.0, prior_precision=None
    ),
    "noise_std is 1e-308": lambda: posterior.regression_posterior(
        [[1.0]], [1.0], noise_std=1e-308, prior_precision=1.0
    ),
    "targets cannot be used as an array": lambda: posterior.regression_posterior(
        [[1.0]], [[1.0], [1.0, 2.0]], noise_std=1.0, prior_precision=1.0
    ),
    "mean is a str": lambda: posterior.Gaussian("zero", [[1.0]]),
    "q is a tuple; give a Gaussian": lambda: posterior.kl_divergence(UNIT, (0.0, 1.0)),
    "curvature is None": lambda: posterior.variance_excess(
        "sgld", None, learning_rate=0.1, steps_per_epoch=2
    ),
    "temperature is None": lambda: mean_field.solve(MIXTURE, **SMALL, temperature=None),
    r"replicas is \[\]": lambda: mean_field.solve(MIXTURE, **SMALL, replicas=[]),
    "points is a int": lambda: mean_field.solve_many(3),
    "point 0 is a str": lambda: mean_field.solve_many(["here"]),
    "overlap is a str": lambda: mean_field.generalization_error("large", 1.0, MIXTURE),
    "no quantity None": lambda: SOLVED.prediction(None),
    r"time is 2\.5": lambda: SOLVED.prediction("overlap", 2.5),
    "level is 'all'": lambda: SOLVED.prediction("overlap", level="all"),
    "waiting_time is 1.5": lambda: SOLVED.displacement_and_response(1.5),
    r"period is 0": lambda: SOLVED.displacement_and_response(1, period=0),
    "together they must be at most the 4 steps": lambda: SOLVED.displacement_and_response(2, period=3),
}


@pytest.mark.parametrize("says", REFUSED)
def test_it_is_named(says):
    with pytest.raises(ConfigError, match=says):
        REFUSED[says]()


def test_steps_beyond_all_memory_are_refused_at_once():
    with pytest.raises(MemoryLimitError, match="steps need"):
        mean_field.solve(MIXTURE, **SMALL | {"steps": 10**30})
