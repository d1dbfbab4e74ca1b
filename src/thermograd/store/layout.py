"""What a run consists of: its header, its arrays, its checkpoints, and the sink a block is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PENDING, FINISHED, DIVERGED, FAILED = 0, 1, 2, 3
"""Outcome of a trajectory."""


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """One recorded array.

    Attributes:
        name: `train_loss`, `name/field` for observables with fields, `weights/<parameter>` for weights.
        shape: shape of one record of one trajectory, `()` for a scalar.
        dtype: numpy dtype name.
        times: steps at which it is recorded, sorted, unique.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    times: npt.NDArray[np.int64]

    @property
    def record_bytes(self) -> int:
        """Bytes of one record of one trajectory.

        >>> ArraySpec("area", (3, 3), "float64", np.arange(5)).record_bytes
        72
        """
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def filled(self, trajectories: int, times: int | None = None) -> Array:
        """An array (trajectory, time, ...) of "not known": NaN, or -1 for integers."""
        count = self.times.size if times is None else times
        missing = np.nan if np.dtype(self.dtype).kind == "f" else -1
        return np.full((trajectories, count, *self.shape), missing, dtype=self.dtype)


@dataclass(frozen=True, eq=False)
class Header:
    """What is known of a run before its first step."""

    name: str
    seed: int
    trajectories: int
    steps: int
    steps_per_epoch: int
    block_size: int
    engine: str
    reason: str
    arrays: tuple[ArraySpec, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks of `block_size` consecutive trajectories, the last one possibly smaller."""
        return -(-self.trajectories // self.block_size)

    def block(self, index: int) -> range:
        """The trajectories of one block.

        >>> Header("", 0, 10, 5, 1, 4, "eager", "", ()).block(2)
        range(8, 10)
        """
        return range(index * self.block_size, min((index + 1) * self.block_size, self.trajectories))

    def array(self, name: str) -> ArraySpec:
        """The array of that name.

        Raises:
            KeyError: no such array; lists those there are.
        """
        for spec in self.arrays:
            if spec.name == name:
                return spec
        message = f"no array {name!r}; recorded: {', '.join(spec.name for spec in self.arrays)}"
        raise KeyError(message)


class Checkpoint(NamedTuple):
    """State of a block at time `step`: recorded, not yet perturbed, not yet updated.

    `arrays` are stacked over the block's trajectories, with keys `weights/...`, `optimizer/...`,
    `buffers/...`, `minibatching/...`, `perturbation/...` and `diverged_at`.
    """

    step: int
    arrays: Mapping[str, Array]


class BlockSink(Protocol):
    """Where the training loop puts what one block records."""

    def load(self) -> Checkpoint | None:
        """The checkpoint to go on from, None to start from the beginning."""

    def record(self, name: str, row: int, values: Array) -> None:
        """Take row `row` (position in the array's times) of one array: `values` (B, ...)."""

    def due(self) -> bool:
        """Whether a commit should follow at this step boundary."""

    def stopping(self) -> bool:
        """Whether the run was asked to stop: commit and return."""

    def commit(self, checkpoint: Checkpoint, outcome: npt.NDArray[np.uint8]) -> None:
        """Make everything recorded so far, and the checkpoint, permanent. `outcome` is per trajectory."""
