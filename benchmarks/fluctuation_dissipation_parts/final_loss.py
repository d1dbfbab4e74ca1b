"""Where each schedule ends, and how many steps it took to get near the best single cut."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fluctuation_dissipation_parts.rules import CUT, Rule
from fluctuation_dissipation_parts.task import Task

SEARCHED = (0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
LOOKS, LATE = 50, 0.1


@dataclass(frozen=True)
class Path:
    """The training objective along one training.

    Attributes:
        steps: at which it was looked at, (n,).
        objective: mean loss over all training samples with the weight decay as a loss term, (n,).
        cuts: steps after which the learning rate fell.
    """

    steps: np.ndarray
    objective: np.ndarray
    cuts: tuple[int, ...]

    def at(self, step: int) -> float:
        return float(self.objective[self.steps == step][0])

    def late(self, budget: int) -> float:
        """Mean over the looks in the last tenth of a budget."""
        return float(self.objective[(self.steps > (1 - LATE) * budget) & (self.steps <= budget)].mean())

    def reached(self, level: float, budget: int) -> float:
        """Steps until the objective is first at or below a level, infinite if not within the budget."""
        low = self.steps[(self.objective <= level) & (self.steps <= budget)]
        return float(low[0]) if len(low) else math.inf


def trained(
    task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, step: object, seed: int
) -> Iterator[int]:
    """One step each time, without end; gives how many were done."""
    for count, (inputs, labels) in enumerate(task.batches(seed), 1):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        step(loss)
        yield count


def looks(budgets: Sequence[int]) -> set[int]:
    """Steps at which the objective is looked at, the budgets among them."""
    return {round(budget * look / LOOKS) for budget in budgets for look in range(1, LOOKS + 1)}


def followed(task: Task, rule: Rule, seed: int, budgets: Sequence[int], told: int) -> Path:
    """One training under a rule that is told a budget, for the longest of `budgets`."""
    model = task.model(seed)
    optimizer, step = rule(task, model, told)
    due, found, cuts, rate = looks(budgets), [], [], task.learning_rate
    for count in trained(task, model, optimizer, step, seed):
        if optimizer.param_groups[0]["lr"] < rate:
            rate = optimizer.param_groups[0]["lr"]
            cuts.append(count)
        if count in due:
            found.append((count, task.objective(model)))
        if count == max(budgets):
            break
    steps, objective = np.array(found).T
    return Path(steps, objective, tuple(cuts))


def searched(task: Task, seed: int, budgets: Sequence[int]) -> dict[tuple[int, float], float]:
    """Objective at the end of each budget after one cut to a tenth, by (budget, share of it before the cut).

    One training at the first rate, and from it a branch at each time of a cut.
    """
    branches = [(budget, share) for budget in budgets for share in SEARCHED]
    last = max(round(budget * share) for budget, share in branches)
    model = task.model(seed)
    optimizer = task.make_optimizer(model)
    ends = {}
    for count in trained(task, model, optimizer, lambda loss: optimizer.step(), seed):
        for budget, share in branches:
            if round(budget * share) == count:
                ends[budget, share] = cut_branch(task, model, optimizer, seed, budget - count)
        if count == last:
            break
    return ends


def cut_branch(
    task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, seed: int, steps: int
) -> float:
    """Objective so many steps after a cut, on copies and with shuffles of its own."""
    branch = copy.deepcopy(model)
    other = task.make_optimizer(branch)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    other.param_groups[0]["lr"] *= CUT
    for count in trained(task, branch, other, lambda loss: other.step(), seed + 1000):
        if count == steps:
            break
    return task.objective(branch)


def best_single_cut(ends: Sequence[dict[tuple[int, float], float]], budget: int) -> tuple[float, np.ndarray]:
    """Share of the budget with the lowest mean objective, and the objectives of all seeds there."""
    table = {share: np.array([end[budget, share] for end in ends]) for share in SEARCHED}
    share = min(table, key=lambda candidate: table[candidate].mean())
    return share, table[share]
