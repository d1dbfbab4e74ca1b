"""The best state each trajectory has been in, kept for perturbations that go back to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from thermograd.ensemble.block import BlockState, Tensors, part

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT = ("optimizer/", "buffers/")


def directions_of(perturbations: Iterable[Any]) -> tuple[str, ...]:
    """In which directions "best" has to be watched for these perturbations, sorted."""
    return tuple(sorted({entry.direction for entry in perturbations if getattr(entry, "needs_best", False)}))


def with_best(block: BlockState, directions: Iterable[str]) -> BlockState:
    """The block after its metrics were noted: where one is better than any before, the state is kept.

    Args:
        block: just recorded.
        directions: "up", "down"; each has a best of its own, under `<direction>/`.

    Returns:
        The block with `best` brought up to date.
    """
    best = dict(block.best)
    metric = torch.as_tensor(block.metric, device=next(iter(block.weights.values())).device)
    now = {f"weights/{name}": value for name, value in block.weights.items()}
    now |= {name: value for name, value in block.state.items() if name.startswith(_KEPT)}
    for direction in directions:
        before = best.get(f"{direction}/metric")
        if before is None:
            before = torch.full_like(metric, float("nan"))
        nearer = metric > before if direction == "up" else metric < before
        better = metric.isfinite() & (before.isnan() | nearer)
        best[f"{direction}/metric"] = torch.where(better, metric, before)
        for name, value in now.items():
            key, where = f"{direction}/{name}", better.reshape(-1, *[1] * (value.ndim - 1))
            best[key] = torch.where(where, value, best[key] if key in best else value)
    return replace(block, best=best)


def best_of(block: BlockState, row: int, perturbation: Any) -> tuple[Tensors, Tensors] | None:
    """Weights and state of one trajectory at its best, None before its first metric."""
    if not getattr(perturbation, "needs_best", False):
        return None
    kept = part(block.best, perturbation.direction)
    if not kept or bool(kept["metric"][row].isnan()):
        return None
    own = {name: value[row].clone() for name, value in kept.items() if name != "metric"}
    return part(own, "weights"), {name: value for name, value in own.items() if name.startswith(_KEPT)}
