"""An ensemble trained by the engines beside the mean-field theory of the same problem."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import Persistent, WithoutReplacement
from thermograd.observables import Loss
from thermograd.problems import GaussianMixture
from thermograd.theory import mean_field

DRAWS, RATE, STEPS = 8, 0.2, 30


def trained(problem, minibatching):
    """Overlap, squared norm and loss of a sample at the end, a row for each draw of the data."""
    rows = []
    for seed in range(DRAWS):
        drawn = replace(problem, data_seed=seed)
        experiment = tg.Experiment(
            drawn, minibatching, SGD(RATE), observe=[Loss()], trajectories=4, steps=STEPS, seed=seed
        )
        run = tg.run(experiment)
        weights = run.weights()["weights"]
        norm = (weights**2).sum(axis=1)
        overlap = weights @ drawn.draw(seed)[2] / drawn.dimension
        loss = (run["train_loss"][:, -1] - drawn.weight_decay / 2 * norm) / drawn.samples
        rows.append([overlap.mean(), norm.mean() / drawn.dimension, loss.mean()])
    return np.array(rows)


def disagreement(measured, problem, **selection):
    """Largest difference of the three means, in combined standard errors."""
    theory = mean_field.solve(
        problem, learning_rate=RATE, steps=STEPS + 1, paths=4000, seeds=8, batch_fraction=0.3, **selection
    )
    known = np.stack(
        [theory.overlap[:, STEPS], theory.norm_squared[:, STEPS], theory.train_loss[:, STEPS]], axis=1
    )
    error = np.hypot(measured.std(axis=0, ddof=1), known.std(axis=0, ddof=1)) / math.sqrt(DRAWS)
    return np.abs((measured.mean(axis=0) - known.mean(axis=0)) / error).max()


@pytest.mark.parametrize("loss", ["logistic", "square"])
def test_persistent_batches_of_independent_samples_are_those_of_the_theory(loss):
    """Within 4 standard errors of three numbers each, with fixed seeds."""
    problem = GaussianMixture(dimension=300, loss=loss)
    measured = trained(problem, Persistent(0.3, persistence=10))
    assert disagreement(measured, problem, selection="persistent", persistence=10) < 4
    assert disagreement(measured, problem, selection="gd") > 5


def test_a_mean_over_batches_of_a_fixed_size_is_the_same_sum():
    problem = GaussianMixture(dimension=300)
    measured = trained(problem, Persistent(0.3, fixed_size=True))
    assert disagreement(measured, problem, selection="sgd") < 4
    full = trained(problem, WithoutReplacement(None))
    assert disagreement(full, problem, selection="gd") < 4
