"""Rules that cut the learning rate, each as its authors have it used, behind one call after `backward()`.

A rule takes a task, a model and a budget of steps, and gives the optimizer and a function of the loss that takes
the step and whatever else the rule does. The present learning rate is in the optimizer's groups.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

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


def half_running_ratio(every: int | None, threshold: float = 0.01, factor: float = 0.9) -> Rule:
    """Cut when O_L/O_R, both averaged over the later half of the steps at this rate, is within `threshold` of 1.

    O_L = θ·g and O_R = η|g|²/2 about the origin, g with weight decay: Yaida, arXiv 1810.00004, section 3.3, for
    SGD without momentum. Tested each `every` steps, or at epoch ends.
    """

    def rule(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
        optimizer = task.make_optimizer(model)
        weights = list(model.parameters())
        sides: list[Tensor] = []
        period = every or task.steps_per_epoch

        def step(loss: Tensor) -> None:
            rate, decay = optimizer.param_groups[0]["lr"], task.weight_decay
            with torch.no_grad():
                slopes = [weight.grad + decay * weight for weight in weights]
                left = sum((weight * slope).sum() for weight, slope in zip(weights, slopes, strict=True))
                sides.append(torch.stack([left, rate / 2 * sum((s * s).sum() for s in slopes)]))
            optimizer.step()
            if len(sides) % period == 0:
                left, right = torch.stack(sides[len(sides) // 2 :]).mean(0).tolist()
                if abs(left / right - 1) < threshold:
                    optimizer.param_groups[0]["lr"] = factor * rate
                    sides.clear()

        return optimizer, step

    return rule


def physfdt_rule(physfdt: ModuleType) -> Rule:
    """`FDREquilibriumLR` on an `FDRMonitor`, both with their defaults, as on its page."""

    def rule(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
        optimizer = task.make_optimizer(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            monitor = physfdt.FDRMonitor(optimizer, physfdt.FDRConfig(warn_nonstationary=False))
        scheduler = physfdt.FDREquilibriumLR(optimizer, monitor)

        def step(loss: Tensor) -> None:
            with monitor.measure():
                optimizer.step()
            scheduler.step()

        return optimizer, step

    return rule


def sasa_rule(statopt: ModuleType, **settings: object) -> Rule:
    """`statopt.SASA` in place of SGD; its page tests once an epoch, at most each 1000 steps, and leaves the rest."""

    def rule(task: Task, model: nn.Module, budget: int) -> tuple[Optimizer, Step]:
        chosen = {"testfreq": min(1000, task.steps_per_epoch), **settings}
        optimizer = statopt.SASA(
            model.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay, **chosen
        )
        return optimizer, lambda loss: optimizer.step() and None

    return rule


def first_cut(task: Task, rule: Rule, seed: int, horizon: int) -> float:
    """Steps completed when the learning rate first falls; infinite if that is not within `horizon`."""
    model = task.model(seed)
    optimizer, step = rule(task, model, horizon)
    batches = task.batches(seed)
    for count in range(1, horizon + 1):
        inputs, labels = next(batches)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        step(loss)
        if optimizer.param_groups[0]["lr"] < task.learning_rate:
            return count
    return math.inf


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Smallest, median and largest."""
    ordered = np.sort(values)
    return float(ordered[0]), float(np.median(ordered)), float(ordered[-1])
