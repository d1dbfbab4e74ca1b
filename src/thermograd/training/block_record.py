"""The ends of all blocks since a restart, in memory that does not grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.estimators.block_ends import BlockEnds

Array = npt.NDArray[np.float64]
MOST = 64


@dataclass(frozen=True, eq=False)
class BlockEnd:
    """What is read from the device at the end of a block; sums are those since the restart.

    Attributes:
        step: optimiser steps.
        anchors: steps of the two newest anchors, (2,).
        positions: squares and overlaps of the parts, (6, parts), see `AnchoredPositions`.
        updates: Σ|Δ|² of the parts over the measured steps, (parts,).
        measured: how many those are, and in how many anything moved, (2,).
        metric: Σ of the fluctuation term in the preconditioner's metric, (parts,).
        metric_measured: over how many steps.
        loss: sum and number of the recorded losses, (2,).
        two_steps: sum and number of squared displacements over two steps, (2,).
        turning: Σ|Δ₂ − Δ₁|² and Σ|Δ₂ + Δ₁|² over pairs of neighbouring steps, (2,).
        noise: sums of the per-sample trace, the squared gradient, and their number, (3,).
        sketch: of all weights, (buckets,).
    """

    step: int
    anchors: Array
    positions: Array
    updates: Array
    measured: Array
    metric: Array
    metric_measured: float
    loss: Array
    two_steps: Array
    turning: Array
    noise: Array
    sketch: Array


class BlockRecord:
    """At most 64 block ends; when there are so many, every second one is dropped and the blocks double.

    Args:
        epoch: steps of the shortest block.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.stride = 1
        self.ends: list[BlockEnd] = []

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return max(len(self.ends) - 1, 0)

    @property
    def block(self) -> int:
        """Steps of one block."""
        return self.epoch * self.stride

    def append(self, end: BlockEnd) -> None:
        """Note one more end.

        Args:
            end: a block after the last.
        """
        self.ends.append(end)
        if self.blocks == MOST:
            self.ends = self.ends[::2]
            self.stride *= 2

    def add_loss(self, loss: float) -> None:
        """Count one more loss to the last block; none of that block if it is infinite or NaN.

        Args:
            loss: one number.
        """
        before, last = self.ends[-2:]
        sums = last.loss + np.array([loss, 1]) if math.isfinite(loss) else before.loss
        self.ends[-1] = replace(last, loss=sums)

    def column(self, name: str) -> Array:
        """One quantity at every end, the ends first."""
        return np.array([getattr(end, name) for end in self.ends], float)

    def block_ends(self, weight: Array, factor: Array) -> BlockEnds:
        """What the test of stationarity reads.

        Args:
            weight: per part, of squared lengths; 1/η, or 0 for parts that are left out.
            factor: per part, κ.

        Returns:
            The record with the parts summed.
        """
        positions = np.where(weight > 0, self.column("positions"), 0.0) @ weight
        apart, along = self.column("turning").T
        memory = 1 + float(factor[weight > 0].max(initial=1.0))
        return BlockEnds(
            steps=self.column("step").astype(np.int64),
            squared_distance=positions[:, :2],
            anchor=self.column("anchors").astype(np.int64),
            squared_norm=positions[:, 2],
            squared_update=self.column("updates") @ (weight * factor),
            measured=self.column("measured")[:, 0].astype(np.int64),
            epoch=self.epoch,
            noise=np.column_stack([memory * apart, apart + along]),
            sketch=None if not self.ends[0].sketch.size else self.column("sketch"),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors."""
        names = [field.name for field in fields(BlockEnd)]
        columns = {name: torch.from_numpy(self.column(name)) for name in names} if self.ends else {}
        return {"stride": self.stride, "epoch": self.epoch, "columns": columns}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over another record.

        Args:
            state: from `state_dict`.
        """
        self.epoch, self.stride = int(state["epoch"]), int(state["stride"])
        columns = {name: value.numpy() for name, value in state["columns"].items()}
        count = len(columns["step"]) if columns else 0
        self.ends = [_end(columns, row) for row in range(count)]


def by_part(values: Array, part_of: Sequence[int], parts: int) -> Array:
    """Sums over the tensors of each part, along the last axis.

    >>> by_part(np.array([1.0, 2.0, 4.0]), [0, 1, 0], 2).tolist()
    [5.0, 2.0]
    """
    total = np.zeros((*values.shape[:-1], parts))
    for place, part in enumerate(part_of):
        total[..., part] += values[..., place]
    return total


def _end(columns: dict[str, Array], row: int) -> BlockEnd:
    entries: dict[str, Any] = {name: column[row] for name, column in columns.items()}
    return BlockEnd(**entries | {"step": int(entries["step"])})
