"""Schedules, each as its authors have it used, behind one call after `backward()`.

A rule takes a task, a model and a budget of steps, and gives the optimizer and a function of the loss that takes
the step and whatever else the rule does. The present learning rate is in the optimizer's groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

import thermograd as tg
from fluctuation_dissipation_parts.task import Task

Step = Callable[[Tensor], None]
Rule = Callable[[Task, nn.Module, int], tuple[Optimizer, Step]]

CUT = 0.1


def constant(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
    optimizer = task.make_optimizer(model)
    return optimizer, lambda loss: optimizer.step() and None


def cuts_at(*shares: float) -> Rule:
    """Cuts to a tenth after these shares of the budget."""

    def rule(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
        optimizer = task.make_optimizer(model)
        scheduler = MultiStepLR(optimizer, [round(share * budget) for share in shares], CUT)

        def step(loss: Tensor) -> None:
            optimizer.step()
            scheduler.step()

        return optimizer, step

    return rule


def plateau(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
    """`ReduceLROnPlateau` with its defaults (patience 10) on the mean training loss of each epoch."""
    optimizer = task.make_optimizer(model)
    scheduler = ReduceLROnPlateau(optimizer)
    losses: list[Tensor] = []

    def step(loss: Tensor) -> None:
        optimizer.step()
        losses.append(loss.detach())
        if len(losses) == task.steps_per_epoch:
            scheduler.step(torch.stack(losses).mean().item())
            losses.clear()

    return optimizer, step


def stationarity(budgeted: bool = False, **arguments: object) -> Rule:
    """Ours; `budgeted` tells it the number of steps."""

    def rule(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
        optimizer = task.make_optimizer(model)
        watch = tg.watch(optimizer, steps_per_epoch=task.steps_per_epoch)
        total = {"total_steps": budget} if budgeted else {}
        scheduler = tg.ReduceLROnStationarity(optimizer, watch, **arguments, **total)

        def step(loss: Tensor) -> None:
            optimizer.step()
            scheduler.step(loss)

        return optimizer, step

    return rule


def first_cut(task: Task, rule: Rule, seed: int, horizon: int) -> float:
    """Steps completed when the learning rate first falls; infinite if that is not within `horizon`.

    The model is a softmax regression, whose gradient is written out: most of the time goes into these steps.
    """
    model = task.model(seed)
    optimizer, step = rule(task, model, horizon)
    (weight,) = model.parameters()
    rows = torch.arange(task.batch_size)
    for count, (inputs, labels) in zip(range(1, horizon + 1), task.batches(seed), strict=False):
        with torch.no_grad():
            logarithms = torch.log_softmax(inputs @ weight.T, 1)
            loss = -logarithms[rows, labels].mean()
            shares = logarithms.exp_()
            shares[rows, labels] -= 1
            weight.grad = shares.T @ inputs / task.batch_size
        step(loss)
        if optimizer.param_groups[0]["lr"] < task.learning_rate:
            return count
    return math.inf


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Smallest, median and largest."""
    ordered = np.sort(values)
    return float(ordered[0]), float(np.median(ordered)), float(ordered[-1])
