"""What a training leaves behind at the ends of its blocks: all that the test of stationarity reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BlockEnds:
    """Positions and noise at the ends of `n` blocks of equal length; entry 0 is the start of the record.

    With several parameter groups every squared length is the sum over groups of the group's own, divided by
    the group's learning rate; with one group that factor drops out of everything that is derived from them.

    Attributes:
        steps: optimiser steps at which the ends lie, (n + 1,).
        squared_distance: |θ − c|² about the two newest anchors c at that time, newest first, (n + 1, 2).
        anchor: step of those anchors, (n + 1, 2); −1 where there was none.
        squared_norm: |θ|², (n + 1,).
        squared_update: sum of κ |Δ|² over the measured steps since entry 0, (n + 1,); Δ is the change of θ in
            one step, κ = (1 + β)/(1 − β) the free-diffusion factor of a velocity with memory β.
        measured: how many steps that sum has, (n + 1,).
        epoch: steps of the shortest block; anchors lie at `epoch` times powers of 2 after entry 0.
        sketch: linear sketch of θ, (n + 1, buckets), or None.
        noise: sums since entry 0 of (1 + κ) |Δ₂ − Δ₁|² and of |Δ₂ − Δ₁|² + |Δ₂ + Δ₁|² over pairs of neighbouring
            steps, (n + 1, 2), or None. Their ratio is the share of noise in |Δ|²: 1 of a velocity that is nothing
            but noise with memory β, 0 of steps along one line.

    >>> ends = block_ends(np.arange(9.0)[:, None], np.ones(8), steps_per_block=5)  # a straight line
    >>> ends.anchor[-1].tolist(), ends.squared_distance[-1].tolist()  # at the ends of blocks 8 and 4
    ([40, 20], [0.0, 16.0])
    >>> ends.blocks, ends.block, ends.last(2).steps.tolist()
    (8, 5, [30, 35, 40])
    """

    steps: npt.NDArray[np.int64]
    squared_distance: Array
    anchor: npt.NDArray[np.int64]
    squared_norm: Array
    squared_update: Array
    measured: npt.NDArray[np.int64]
    epoch: int
    sketch: Array | None = None
    noise: Array | None = None

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.steps) - 1

    @property
    def block(self) -> int:
        """Steps of one block."""
        return int(self.steps[-1] - self.steps[-2]) if self.blocks else self.epoch

    def last(self, blocks: int) -> BlockEnds:
        """The record of the last so many blocks alone."""
        kept = slice(len(self.steps) - 1 - blocks, None)
        return BlockEnds(
            self.steps[kept],
            self.squared_distance[kept],
            self.anchor[kept],
            self.squared_norm[kept],
            self.squared_update[kept],
            self.measured[kept],
            self.epoch,
            None if self.sketch is None else self.sketch[kept],
            None if self.noise is None else self.noise[kept],
        )

    def about(self, anchor: int) -> Array:
        """|θ − c|² about the anchor of that step, at every end, (n + 1,).

        Args:
            anchor: its step.

        Returns:
            NaN where the anchor was not kept.
        """
        kept = self.anchor == anchor
        return np.where(kept.any(1), np.where(kept, self.squared_distance, 0.0).sum(1), np.nan)


def block_ends(
    positions: npt.ArrayLike,
    squared_updates: npt.ArrayLike,
    *,
    steps_per_block: int,
    momentum: float = 0.0,
    most: int = 64,
) -> BlockEnds:
    """The record that `tg.watch` would hold, made from a recorded trajectory.

    As in a live training at most `most` blocks are kept: whenever there are so many, every second end is
    dropped, so the blocks double.

    Args:
        positions: θ at the start and at the end of every shortest block (whole epochs), (blocks + 1, parameters).
        squared_updates: sum of |Δ|² over the steps of each block, (blocks,).
        steps_per_block: optimiser steps of one shortest block.
        momentum: memory β of the velocity.
        most: the largest number of blocks.

    Returns:
        The ends; the sketch is θ itself.

    Raises:
        ConfigError: a ValueError: the shapes do not belong together, or an argument out of its range.

    >>> block_ends([[0.0], [1.0], [2.0]], [1.0, 1.0], steps_per_block=5).squared_norm.tolist()
    [0.0, 1.0, 4.0]
    """
    theta, squared = real_numbers("positions", positions), real_numbers("squared_updates", squared_updates)
    if theta.ndim != 2 or squared.shape != (len(theta) - 1,):
        message = (
            f"positions {theta.shape} and squared_updates {squared.shape} do not belong together; give "
            "positions (blocks + 1, parameters) and squared_updates (blocks,)"
        )
        raise ConfigError(message)
    check_whole_number("steps_per_block", steps_per_block, 1, 2**31 - 1, error=ConfigError)
    check_whole_number("most", most, 1, of="blocks", error=ConfigError)
    if not is_finite_number(momentum) or not 0 <= momentum < 1:
        message = f"momentum is {momentum!r}; it must be from 0 to below 1"
        raise ConfigError(message)
    stride = 1
    while (len(theta) - 1) // stride >= most:
        stride *= 2
    kept = np.arange(0, len(theta), stride)
    newest = np.where(kept > 0, 2 ** np.floor(np.log2(np.maximum(kept, 1))).astype(int), 0)
    anchor = np.column_stack([newest, newest // 2])
    distance = np.stack([((theta[kept] - theta[column]) ** 2).sum(1) for column in anchor.T], axis=1)
    factor = (1 + momentum) / (1 - momentum)
    return BlockEnds(
        steps=kept * steps_per_block,
        squared_distance=distance,
        anchor=anchor * steps_per_block,
        squared_norm=(theta[kept] ** 2).sum(1),
        squared_update=factor * np.concatenate([[0.0], np.cumsum(squared)])[kept],
        measured=kept * steps_per_block,
        epoch=steps_per_block,
        sketch=theta[kept],
    )
