"""What the rules of others read of a softmax regression, recorded for many runs at once, and where each cuts.

Until a rule cuts, training does not depend on it, so one set of runs serves them all. Each package decides with
its own code from these sums.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from fluctuation_dissipation_parts.known_truth import descent
from fluctuation_dissipation_parts.task import Task


@dataclass(frozen=True)
class Recorded:
    """One run of SGD without momentum at a constant rate; g is the gradient with weight decay.

    Attributes:
        task: what is trained.
        loss: of the batch, (steps,).
        left: θ·g, (steps,).
        right: η|g|²/2, (steps,).
        squared_norm: |θ|² before the step, (steps,).
    """

    task: Task
    loss: np.ndarray
    left: np.ndarray
    right: np.ndarray
    squared_norm: np.ndarray


RecordedRule = Callable[[Recorded], float]


def recorded(task: Task, steps: int, runs: int, seed: int) -> list[Recorded]:
    """So many runs, each with its own start and shuffles."""
    rows = []
    for weights, gradient, loss in descent(task, steps, runs, seed):
        left, square = (weights * gradient).sum((1, 2)), (gradient**2).sum((1, 2))
        rows.append((loss, left, task.learning_rate / 2 * square, (weights**2).sum((1, 2))))
    loss, left, right, squared_norm = np.array(rows).transpose(1, 2, 0)
    return [Recorded(task, *columns) for columns in zip(loss, left, right, squared_norm, strict=True)]


def plateau(run: Recorded) -> float:
    """`ReduceLROnPlateau` with its defaults (patience 10) on the mean training loss of each epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer)
    size = run.task.steps_per_epoch
    for epoch in range(len(run.loss) // size):
        scheduler.step(float(run.loss[epoch * size : (epoch + 1) * size].mean()))
        if optimizer.param_groups[0]["lr"] < 1:
            return (epoch + 1) * size
    return math.inf


def half_running_ratio(every: int | None, threshold: float = 0.01) -> RecordedRule:
    """O_L/O_R, both averaged over the later half of the steps, within `threshold` of 1.

    Yaida, arXiv 1810.00004, section 3.3; tested each `every` steps, or at epoch ends.
    """

    def rule(run: Recorded) -> float:
        period = every or run.task.steps_per_epoch
        for step in range(period, len(run.left) + 1, period):
            if abs(run.left[step // 2 : step].mean() / run.right[step // 2 : step].mean() - 1) < threshold:
                return step
        return math.inf

    return rule


def physfdt_rule(physfdt: ModuleType) -> RecordedRule:
    """Its accumulator with its defaults; `FDREquilibriumLR` cuts when that says `equilibrated`."""

    def rule(run: Recorded) -> float:
        found = physfdt.FDRAccumulator(physfdt.FDRConfig(warn_nonstationary=False))
        sums = zip(2 * run.left, 2 * run.right, run.squared_norm, strict=True)
        for step, (left, right, squared_norm) in enumerate(sums, 1):
            if found.observe(left, right, norm2=squared_norm).equilibrated:
                return step
        return math.inf

    return rule


def sasa_rule(
    statopt: ModuleType,
    testfreq: int | None = None,
    leak_ratio: int = 8,
    minN_stats: int = 1000,
    significance: float = 0.05,
    warmup: int = 1000,
) -> RecordedRule:
    """`statopt.SASA`: its bucket and its composite test; the defaults are its own, `testfreq` that of its page.

    It reads θ′·d + η|d|²/2 after the step, which is θ·g − η|g|²/2 for SGD.
    """

    def rule(run: Recorded) -> float:
        period = testfreq or min(1000, run.task.steps_per_epoch)
        bucket = statopt.bucket.LeakyBucket(1000, leak_ratio, torch.float64, "cpu")
        for step, value in enumerate(run.left - run.right, 1):
            bucket.add(float(value))
            due = step % period == 0 and step > warmup and bucket.count > minN_stats
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if due and bucket.stats_test(significance, "mb", True)[0]:
                    return step
        return math.inf

    return rule
