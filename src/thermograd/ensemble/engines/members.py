"""Trajectories taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from thermograd.ensemble.block import Tensors


def each(start: Callable[[Tensors], Tensors], weights: Tensors) -> Tensors:
    """What `start` makes of the weights of each trajectory, stacked."""
    count = len(next(iter(weights.values())))
    rows = ({name: value[row] for name, value in weights.items()} for row in range(count))
    started: Tensors = stacked([start(row) for row in rows])
    return started


def stacked(rows: list[Any]) -> Any:
    """Trees of tensors of the same form, stacked leaf by leaf.

    >>> stacked([{"a": torch.zeros(2)}, {"a": torch.ones(2)}])["a"].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    first = rows[0]
    if isinstance(first, dict):
        return {name: stacked([row[name] for row in rows]) for name in first}
    if isinstance(first, list | tuple):
        return [stacked([row[place] for row in rows]) for place in range(len(first))]
    return first[None] if len(rows) == 1 else torch.stack(rows)


def concatenated(members: list[Tensors]) -> Tensors:
    """Blocks side by side along the axis of trajectories."""
    return {name: torch.cat([member[name] for member in members]) for name in members[0]}
