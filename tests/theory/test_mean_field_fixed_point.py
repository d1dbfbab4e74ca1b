"""The pass forward beside the fixed point of the same equations, found by iteration as solvers usually do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.theory import mean_field
from thermograd.theory.selection_processes import Selection

RATE, STEPS, PATHS, SEED = 0.2, 30, 60, 5
SETTINGS = {"learning_rate": RATE, "steps": STEPS, "paths": PATHS, "response_paths": PATHS}


def slopes(problem, preactivation, labels):
    """l′ and l″ by hand."""
    if problem.loss == "square":
        return preactivation - labels, np.ones_like(preactivation)
    chance = 1 / (1 + np.exp(labels * preactivation))
    return -labels * chance, chance * (1 - chance)


def start(steps):
    """m, G, R and C of weights that stay where they are."""
    correlation = np.ones((steps + 1, steps + 1))
    return np.zeros(steps + 1), np.ones(steps + 1), np.zeros((steps + 1, steps)), correlation


def sweep(problem, kernels, centres, chosen, white, temperature, factor):
    """New m, G, R and C from old ones: all times of all paths, then all times of the weights."""
    overlap, _, response, correlation = kernels
    variance, ratio = problem.cluster_variance, problem.sample_ratio
    steps, paths = white.shape
    lifted = correlation[:steps, :steps] + 1e-12 * np.eye(steps)
    free = np.linalg.cholesky(lifted) @ white
    forces, curvatures = np.zeros((2, steps, paths))
    answers = np.zeros((steps, steps, paths))
    for t in range(steps):
        local = free[t] - math.sqrt(variance) * response[t, :t] @ forces[:t]
        first, second = slopes(problem, centres * overlap[t] + math.sqrt(variance) * local, centres)
        forces[t], curvatures[t] = chosen[t] * first, chosen[t] * second
        answers[t, t] = 1.0
        for pushed in range(t):
            past = (curvatures[u] * answers[u, pushed] * response[t, u] for u in range(pushed, t))
            answers[t, pushed] = -variance * sum(past)
    memory = factor * ratio * variance * np.einsum("tp,tup->tu", curvatures, answers) / paths
    noise = ratio * variance * forces @ forces.T / paths + 2 * temperature / RATE * np.eye(steps)
    pull = ratio * (forces @ centres) / paths
    overlap, response, kept = np.zeros(steps + 1), np.zeros((steps + 1, steps)), np.zeros(steps + 1)
    overlap[0], kept[0] = problem.initial_overlap, 1.0
    for t in range(steps):
        for values, force in ((overlap, pull[t]), (kept, 0.0), (response, 0.0)):
            felt = memory[t, : t + 1] @ values[: t + 1]
            values[t + 1] = values[t] - RATE * (problem.weight_decay * values[t] + force + felt)
        response[t + 1, t] += RATE
    free_start = problem.initial_norm_squared - problem.initial_overlap**2
    correlation = (
        free_start * np.outer(kept, kept) + response @ noise @ response.T + np.outer(overlap, overlap)
    )
    return overlap, kept, response, correlation


def fixed_point(problem, selection, temperature=0.0, factor=1.0, steps=STEPS):
    """Each sweep makes at least one more step right, so that steps + 1 sweeps are enough."""
    normal, batches = map(np.random.default_rng, np.random.SeedSequence((SEED, 0)).spawn(2))
    white = normal.standard_normal((steps, PATHS))
    chosen = np.array(list(selection.weights(PATHS, steps, batches)))
    centres = np.resize([1.0, -1.0], PATHS)
    kernels = start(steps)
    for _ in range(steps + 1):
        kernels = sweep(problem, kernels, centres, chosen, white, temperature, factor)
    return kernels


CASES = [
    ("square", "sgd", None, 0.0),
    ("logistic", "sgd", None, 0.0),
    ("logistic", "persistent", 8.0, 0.01),
]


@pytest.mark.parametrize(("loss", "kind", "persistence", "temperature"), CASES)
def test_one_pass_forward_is_the_fixed_point(mixture, loss, kind, persistence, temperature):
    problem = mixture(loss=loss, initial_overlap=0.2)
    selection = Selection(kind=kind, persistence=persistence)
    overlap, _, response, correlation = fixed_point(problem, selection, temperature)
    ours = mean_field.solve(
        problem,
        selection=kind,
        persistence=persistence,
        temperature=temperature,
        seed=SEED,
        seeds=1,
        **SETTINGS,
    )
    np.testing.assert_allclose(ours.overlap[0], overlap, atol=1e-8)
    np.testing.assert_allclose(ours.response[0], response, atol=1e-8)
    np.testing.assert_allclose(ours.correlation[0], correlation, atol=2e-8)


def test_one_over_b_on_the_memory_spoils_a_response_that_is_known(mixture):
    """The trap: a factor 1/b on Γ beyond the one in s, which nothing shows at b = 1. R does not depend on b."""
    ridge = mixture(loss="square")
    whole = fixed_point(ridge, Selection(kind="gd"))[2]
    batches, wrong = (
        fixed_point(ridge, Selection(kind="sgd"), factor=factor)[2] for factor in (1.0, 1 / 0.3)
    )
    lags = np.array([5, 10, 15])
    right = whole[lags + 1, 0]
    assert (np.abs(batches[lags + 1, 0] - right) < 0.1 * RATE).all()
    assert (np.abs(wrong[lags + 1, 0] - right) > 0.15 * RATE).any()
