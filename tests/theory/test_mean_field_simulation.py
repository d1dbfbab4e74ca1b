"""The theory beside training in finitely many dimensions, simulated here without any code of the package."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.theory import mean_field

DIMENSION, DRAWS, STEPS, WAITING = 400, 12, 60, 40
LAGS = np.array([1, 5, 19])
PUSH = 0.05


def loss_and_slope(problem, h, y):
    """l and l′ by hand."""
    output, inner = (h, 1.0) if problem.clusters == 2 else (h * h - problem.door_width**2, 2 * h)
    z = y * output
    if problem.loss == "square":
        return (output - y) ** 2 / 2, (output - y) * inner
    if problem.loss == "logistic":
        return np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0), -y * inner / (1 + np.exp(z))
    short = np.maximum(problem.margin - z, 0)
    return short**2 / 2, -y * inner * short


def drawn_data(problem, generator):
    """x/√d, labels, v, and the start."""
    count = round(problem.sample_ratio * DIMENSION)
    direction = generator.standard_normal(DIMENSION)
    direction *= math.sqrt(DIMENSION) / np.linalg.norm(direction)
    centres = np.resize([1.0, -1.0] if problem.clusters == 2 else [0.0, 1.0, 0.0, -1.0], count)
    labels = centres if problem.clusters == 2 else np.where(centres == 0, -1.0, 1.0)
    noise = math.sqrt(problem.cluster_variance) * generator.standard_normal((count, DIMENSION))
    inputs = (centres[:, None] * direction / math.sqrt(DIMENSION) + noise) / math.sqrt(DIMENSION)
    across = generator.standard_normal(DIMENSION)
    across -= direction * (direction @ across) / DIMENSION
    size = math.sqrt((problem.initial_norm_squared - problem.initial_overlap**2) * DIMENSION)
    return (
        inputs,
        labels,
        direction,
        problem.initial_overlap * direction + across * size / np.linalg.norm(across),
    )


def batches(kind, count, fraction, persistence, generator):
    """s/b of every sample, step after step."""
    selected = generator.random(count) < fraction
    for step in range(STEPS):
        if kind == "gd":
            yield np.ones(count)
            continue
        if kind == "reshuffled":
            if step % round(1 / fraction) == 0:
                turns = generator.permutation(count) % round(1 / fraction)
            selected = turns == step % round(1 / fraction)
        elif step and kind == "sgd":
            selected = generator.random(count) < fraction
        elif step:
            stays = generator.random(count) >= (1 - fraction) / (fraction * persistence)
            selected = np.where(selected, stays, generator.random(count) < 1 / persistence)
        yield selected / fraction


def simulate(problem, kind, fraction, persistence, rate, seed):
    """One draw of the data: two replicas, and from WAITING on two pushed copies of the first with its batches."""
    generator = np.random.default_rng(seed)
    inputs, labels, direction, start = drawn_data(problem, generator)
    first, second = (batches(kind, len(labels), fraction, persistence, generator) for _ in range(2))
    weights = np.repeat(start[:, None], 4, axis=1)
    signs = generator.choice([-1.0, 1.0], DIMENSION)
    kept, found = [], {}
    for step in range(STEPS):
        kept.append(weights[:, 0].copy())
        h = inputs @ weights
        loss, slope = loss_and_slope(problem, h, labels[:, None])
        if step == STEPS - 1:
            norm = weights[:, 0] @ weights[:, 0] / DIMENSION
            output = h[:, 0] if problem.clusters == 2 else h[:, 0] ** 2 - problem.door_width**2
            found["train_loss"], found["train_error"] = loss[:, 0].mean(), np.mean(labels * output < 0)
            found["overlap"], found["norm_squared"] = direction @ weights[:, 0] / DIMENSION, norm
            found["replica_distance"] = np.mean((weights[:, 0] - weights[:, 1]) ** 2)
            if problem.clusters == 2:
                found["boundary_width"] = (labels * h[:, 0]).mean() / math.sqrt(norm)
        own, others = next(first), next(second)
        chosen = np.stack([own, others, own, own], axis=1)
        push = PUSH * signs if step >= WAITING else np.zeros(DIMENSION)
        field = np.stack([0 * push, 0 * push, push, -push], axis=1)
        weights = weights - rate * (problem.weight_decay * weights + inputs.T @ (chosen * slope) - field)
        if step + 1 - WAITING in LAGS:
            lag = step + 1 - WAITING
            found[f"displacement {lag}"] = np.mean((weights[:, 0] - kept[WAITING]) ** 2) / 2
            found[f"response {lag}"] = signs @ (weights[:, 2] - weights[:, 3]) / (2 * PUSH * DIMENSION)
    return found


def predicted(problem, kind, fraction, persistence, rate):
    """The same numbers by the theory, one array over seeds each."""
    solution = mean_field.solve(
        problem,
        learning_rate=rate,
        steps=STEPS,
        selection=kind,
        batch_fraction=fraction,
        persistence=persistence,
        replicas=2,
        paths=4000,
        response_paths=1000,
        seeds=8,
    )
    names = ("train_loss", "train_error", "overlap", "norm_squared", "replica_distance", "boundary_width")
    found = {name: getattr(solution, name)[:, STEPS - 1] for name in names}
    curves = solution.displacement_and_response(WAITING)
    for name, curve in zip(("displacement", "response"), curves, strict=True):
        found |= {f"{name} {lag}": curve[:, lag - 1] for lag in LAGS}
    return found


def disagreements(theory, simulation):
    """Differences of the means in combined standard errors."""
    found = {}
    for name in simulation[0]:
        values = np.array([draw[name] for draw in simulation])
        error = math.hypot(*(part.std(ddof=1) / math.sqrt(len(part)) for part in (values, theory[name])))
        found[name] = (values.mean() - theory[name].mean()) / max(error, 1e-9)
    return found


OVERPARAMETRISED = {"sample_ratio": 0.5, "weight_decay": 0.0}
DOOR = {
    "clusters": 3,
    "sample_ratio": 3.0,
    "cluster_variance": 0.05,
    "weight_decay": 0.2,
    "initial_overlap": 0.3,
}
CASES = {
    "logistic, gradient descent": ({}, "gd", 0.3, None, 0.2),
    "logistic, sgd": ({}, "sgd", 0.3, None, 0.2),
    "logistic, persistent": ({}, "persistent", 0.3, 10.0, 0.2),
    "logistic, reshuffled": ({}, "reshuffled", 0.25, None, 0.2),
    "square, persistent": ({"loss": "square"}, "persistent", 0.3, 10.0, 0.2),
    "hinge, overparametrised": ({"loss": "squared_hinge", **OVERPARAMETRISED}, "sgd", 0.1, None, 0.1),
    "door, persistent": (DOOR, "persistent", 0.3, 10.0, 0.1),
    "square door": ({"loss": "square", **DOOR}, "sgd", 0.3, None, 0.05),
}


@pytest.mark.parametrize("case", CASES)
def test_training_in_400_dimensions_agrees_with_the_theory(case, mixture):
    """Within 4 combined standard errors; about 12 numbers a case, with fixed seeds."""
    fields, *rest = CASES[case]
    problem = mixture(**fields)
    found = disagreements(
        predicted(problem, *rest), [simulate(problem, *rest, seed) for seed in range(DRAWS)]
    )
    assert len(found) >= 11
    assert max(map(abs, found.values())) < 4, found


def test_persistent_batches_do_not_agree_with_the_theory_of_independent_ones(mixture):
    fields, _, *rest = CASES["square, persistent"]
    problem = mixture(**fields)
    theory = predicted(problem, "sgd", rest[0], None, rest[2])
    found = disagreements(theory, [simulate(problem, "persistent", *rest, seed) for seed in range(DRAWS)])
    assert max(map(abs, found.values())) > 10
