"""What a cut is predicted to take off the loss, and what a real cut takes off."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

import thermograd as tg
from fluctuation_dissipation_parts.networks import digits_tasks
from fluctuation_dissipation_parts.rules import CUT
from fluctuation_dissipation_parts.task import Task
from thermograd.estimators.waiting_or_cutting import WaitingOrCutting

FIRST, LAST = 4, 12


@dataclass(frozen=True)
class Price:
    """At one age of a training: both prices of the watch, its verdict, and the gain of a real cut.

    Attributes:
        fell: what the same training lost until that age was doubled; NaN if it did not go on so long.
        held: whether the interval of waiting holds it.
    """

    epoch: int
    waiting: float
    cutting: float
    kind: str
    real: float
    fell: float
    held: bool


def priced_tasks() -> dict[str, tuple[Task, tuple[int, ...]]]:
    """Trainings by name, with the epochs at which a cut is priced."""
    tasks = digits_tasks()
    noisy, convex, adam = tasks["mlp15"], tasks["convex"], tasks["adam"]
    ages = (16, 32, 64)
    rmsprop = replace(adam, optimizer=torch.optim.RMSprop, learning_rate=0.003)
    return {
        "MLP, SGD lr .2, batch 15": (noisy, (64, 128, 256)),
        "the same, lr .02, momentum .9": (
            replace(noisy, learning_rate=0.02, arguments={"momentum": 0.9}),
            (64, 128, 256),
        ),
        "MLP, Adam lr .01": (adam, ages),
        "MLP, AdamW lr .01": (replace(adam, optimizer=torch.optim.AdamW), ages),
        "MLP, Adam lr .003, beta_1 = 0": (
            replace(adam, learning_rate=0.003, arguments={"betas": (0.0, 0.999)}),
            ages,
        ),
        "MLP, RMSprop lr .003": (rmsprop, ages),
        "softmax, Adam lr .03, batch 30": (
            replace(convex, optimizer=torch.optim.Adam, learning_rate=0.03, batch_size=30),
            ages,
        ),
    }


def epoch_losses(
    task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, seed: int, watch: object = None
) -> Iterator[float]:
    """Mean loss of each epoch of one training, without end."""
    losses = []
    for inputs, labels in task.batches(seed):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.record_loss(loss)
        losses.append(loss.item())
        if len(losses) == task.steps_per_epoch:
            yield float(np.mean(losses))
            losses.clear()


def prices(task: Task, ages: tuple[int, ...], seed: int) -> list[Price]:
    """One training without a cut, and at each age a pair of branches, one of them cut."""
    model = task.model(seed)
    optimizer = task.make_optimizer(model)
    watch = tg.watch(optimizer, steps_per_epoch=task.steps_per_epoch)
    found, losses = [], []
    for epoch, loss in enumerate(epoch_losses(task, model, optimizer, seed, watch), 1):
        losses.append(loss)
        if epoch in ages:
            both = watch.waiting_or_cutting(CUT)
            real = np.subtract(*(branch(task, model, optimizer, seed, factor) for factor in (1.0, CUT)))
            found.append((epoch, both, float(real)))
        if epoch == max(ages):
            break
    return [priced(epoch, both, real, losses) for epoch, both, real in found]


def priced(epoch: int, both: WaitingOrCutting, real: float, losses: list[float]) -> Price:
    """With what the training did afterwards, by the means of the last eighth before each of the two ages."""
    fell = float("nan")
    if len(losses) >= 2 * epoch:
        fell = float(
            np.mean(losses[epoch - epoch // 8 : epoch]) - np.mean(losses[2 * epoch - epoch // 8 : 2 * epoch])
        )
    waiting, cutting = (price.value if price else float("nan") for price in (both.waiting, both.cutting))
    held = both.waiting is not None and both.waiting.low <= fell <= both.waiting.high
    return Price(epoch, waiting, cutting, both.verdict.kind, real, fell, held)


def branch(task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, seed: int, factor: float) -> float:
    """Mean loss of epochs 4 to 12 after the rate is multiplied, on copies, the same shuffles for every factor."""
    other = copy.deepcopy(model)
    optimizer_of_other = task.make_optimizer(other)
    optimizer_of_other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in optimizer_of_other.param_groups:
        group["lr"] *= factor
    losses = epoch_losses(task, other, optimizer_of_other, seed + 1000)
    return float(np.mean([next(losses) for _ in range(LAST)][FIRST - 1 :]))
