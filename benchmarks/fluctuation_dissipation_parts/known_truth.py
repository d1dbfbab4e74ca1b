"""Softmax regressions whose equilibration is known, because an ensemble of them is cheap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from torch import nn

from fluctuation_dissipation_parts.task import Task

INITIAL_DEVIATION, FLIPPED, BIAS = 0.05, 0.1, 0.25


@dataclass(frozen=True)
class Known:
    """A convex task and how long its ensemble runs: the last third of `horizon` steps is the stationary reference."""

    task: Task
    horizon: int


def data(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Features with a constant one behind them, and labels of which a tenth are redrawn at random."""
    load = {"digits": load_digits, "wine": load_wine, "breast_cancer": load_breast_cancer}[name]
    features, labels = load(return_X_y=True)
    if name == "digits":
        features, labels = features[:1500] / 16, labels[:1500]
    else:
        features = (features - features.mean(0)) / features.std(0)
    draw = np.random.default_rng(5)
    redrawn = draw.random(len(labels)) < FLIPPED
    labels[redrawn] = draw.integers(0, labels.max() + 1, redrawn.sum())
    return torch.from_numpy(np.c_[features, np.ones(len(features))]), torch.from_numpy(labels).long()


def softmax_regression(
    name: str, learning_rate: float, weight_decay: float, batch_size: int, horizon: int
) -> Known:
    inputs, labels = data(name)

    def network() -> nn.Module:
        layer = nn.Linear(inputs.shape[1], int(labels.max()) + 1, bias=False, dtype=torch.float64)
        nn.init.normal_(layer.weight, std=INITIAL_DEVIATION)
        return layer

    task = Task(name, inputs, labels, network, learning_rate, weight_decay, batch_size)
    return Known(task, horizon)


def known_tasks() -> list[Known]:
    return [
        softmax_regression("digits", 0.1, 0.01, 100, 12_000),
        softmax_regression("wine", 0.1, 0.01, 20, 9_000),
        softmax_regression("breast_cancer", 0.05, 0.02, 32, 9_000),
    ]


def equilibration_step(known: Known, runs: int = 48, seed: int = 0) -> int:
    """First epoch end at which the bias of the ensemble has gone: |E θ_t − μ|² < Tr Σ / 4.

    Σ is the covariance over the last third of all steps and over the runs, μ the mean over the epoch ends among
    them. The mean over `runs` runs has a variance of its own, which is subtracted.
    """
    task = known.task
    first = known.horizon * 2 // 3
    ends, squares, sums, count = [], 0.0, 0.0, 0
    for step, (weights, gradient, _) in enumerate(descent(task, known.horizon, runs, seed), 1):
        after = (weights - task.learning_rate * gradient).reshape(runs, -1)
        if step > first:
            squares, sums, count = squares + (after**2).sum(), sums + after.sum(0), count + runs
        if step % task.steps_per_epoch == 0:
            ends.append(after)
    trace = squares / count - ((sums / count) ** 2).sum()
    positions = np.stack(ends)
    stationary = positions[len(positions) * 2 // 3 :]
    own = stationary.var((0, 1)).sum() / runs
    bias = ((positions.mean(1) - stationary.mean((0, 1))) ** 2).sum(1) - own
    return int(np.argmax(bias < BIAS * trace) + 1) * task.steps_per_epoch


def descent(
    task: Task, steps: int, runs: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Weights and gradient (run, feature, class) and loss (run,) of each step, each run with its own shuffles.

    The weights are those before the step; the gradient is with weight decay, the loss without.
    """
    inputs, classes = task.inputs.numpy(), np.eye(int(task.labels.max()) + 1)[task.labels.numpy()]
    draw = np.random.default_rng(seed)
    weights = INITIAL_DEVIATION * draw.standard_normal((runs, inputs.shape[1], classes.shape[1]))
    for step in range(steps):
        place = step % task.steps_per_epoch * task.batch_size
        if place == 0:
            order = draw.permuted(np.tile(np.arange(len(inputs)), (runs, 1)), axis=1)
        chosen = order[:, place : place + task.batch_size]
        features, targets = inputs[chosen], classes[chosen]
        shares = np.exp(features @ weights)
        shares /= shares.sum(2, keepdims=True)
        loss = -np.log((shares * targets).sum(2)).mean(1)
        gradient = features.transpose(0, 2, 1) @ (shares - targets) / task.batch_size
        gradient += task.weight_decay * weights
        yield weights, gradient, loss
        weights = weights - task.learning_rate * gradient
