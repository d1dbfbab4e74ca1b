"""The potential of a problem by hand: likelihood, prior, other units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.linear_regression import LinearRegression
from thermograd.problems.negative_log_posterior import in_units_of, negative_log_posterior
from thermograd.problems.nonlinear_regression import NonlinearRegression


def classifier(**options):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 4, generator=generator), torch.randint(3, (30,), generator=generator)
    return tg.Problem(
        model=lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, y),
        **options,
    )


def value(problem, weights):
    functional = FunctionalProblem(problem, "float64", "cpu")
    return float(functional.mean_loss(weights, functional.train))


def test_it_is_the_sum_of_the_losses_and_the_prior():
    problem = classifier()
    functional = FunctionalProblem(problem, "float64", "cpu")
    weights, _ = functional.draw_initial(3)
    centre = {name: torch.full_like(entry, 0.1) for name, entry in weights.items()}
    losses = functional.loss(functional.outputs(weights, functional.train[0]), functional.train[1]).sum()
    distance = sum(((entry - 0.1) ** 2).sum() for entry in weights.values())
    assert value(negative_log_posterior(problem, 2.5, centre), weights) == pytest.approx(
        float(losses + 1.25 * distance)
    )
    assert negative_log_posterior(problem, None) is problem


def test_a_second_prior_is_refused():
    with pytest.raises(ValueError, match="count the prior twice"):
        negative_log_posterior(classifier(regulariser=0.1), 1.0)


@pytest.mark.parametrize("problem", [classifier(), classifier(regulariser=0.3), LinearRegression().build()])
def test_in_other_units_it_is_the_same_function(problem):
    functional = FunctionalProblem(problem, "float64", "cpu")
    weights, _ = functional.draw_initial(3)
    generator = torch.Generator().manual_seed(1)
    scales = {
        name: 0.5 + torch.rand(entry.shape, generator=generator, dtype=torch.float64)
        for name, entry in weights.items()
    }
    other = in_units_of(problem, scales)
    moved = {name: entry / scales[name] for name, entry in weights.items()}
    assert value(other, moved) == pytest.approx(value(problem, weights))
    initial, _ = FunctionalProblem(other, "float64", "cpu").draw_initial(3)
    assert {name: entry.shape for name, entry in initial.items()} == {n: w.shape for n, w in weights.items()}


def test_the_minimum_of_the_linear_regression_is_the_known_one():
    """Normal equations of the paper's functions."""
    problem = LinearRegression()
    x = -3 + 0.03 * np.arange(200)
    y = np.exp(-(x**2)) + 0.1 * np.random.default_rng(0).standard_normal(200)
    features = np.stack([np.tanh(0.5 - x), np.tanh(0.5 + x), np.ones(200)], axis=1)
    curvature = features.T @ features / 0.01 + 20 * np.eye(3)
    land = tg.landscape(problem, refine=True)
    assert land.parameters == pytest.approx(np.linalg.solve(curvature, features.T @ y / 0.01))
    assert land.hessian == pytest.approx(curvature)


@pytest.mark.parametrize("problem", [LinearRegression, NonlinearRegression])
@pytest.mark.parametrize("options", [{"x": (1.0,)}, {"noise": 0.0}])
def test_data_that_do_not_fit_are_refused(problem, options):
    with pytest.raises(ValueError, match=r"both x and y|noise"):
        problem(**options)
