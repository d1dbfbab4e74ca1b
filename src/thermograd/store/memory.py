"""A run that lives in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.store.failures import Failure
from thermograd.store.layout import PENDING, Checkpoint, Header

Array = npt.NDArray[Any]


class MemoryStorage:
    """Arrays of a whole run in memory; the `Source` of its `Run` and the maker of its sinks.

    `trainer` is kept, unread, so that an incomplete run can be resumed.
    """

    def __init__(self, header: Header, trainer: Any) -> None:
        self.header = header
        self.path: Path | None = None
        self.trainer = trainer
        self.checkpoints: dict[int, Checkpoint] = {}
        self._arrays = {spec.name: spec.filled(header.trajectories) for spec in header.arrays}
        self._committed = np.full(header.blocks, -1, np.int64)
        self._outcome = np.full(header.trajectories, PENDING, np.uint8)
        self._diverged_at = np.full(header.trajectories, -1, np.int64)
        self._notes: tuple[str, ...] = ()

    def sink(self, block: int) -> MemorySink:
        """The sink of one block."""
        return MemorySink(self, block)

    def copy(self) -> MemoryStorage:
        """The same state in arrays of its own, so that going on leaves the interrupted run as it is."""
        other = MemoryStorage(self.header, self.trainer)
        other.checkpoints = dict(self.checkpoints)
        other._arrays = {name: values.copy() for name, values in self._arrays.items()}
        other._committed, other._outcome = self._committed.copy(), self._outcome.copy()
        other._diverged_at = self._diverged_at.copy()
        return other

    def set_notes(self, notes: Sequence[str]) -> None:
        """What a reader of the numbers should know."""
        self._notes = tuple(notes)

    def checkpoint(self, block: int) -> Checkpoint | None:
        """The last checkpoint of a block."""
        return self.checkpoints.get(block)

    @property
    def manifest(self) -> dict[str, Any]:
        """Nothing: a manifest belongs to a directory."""
        return {}

    @property
    def state(self) -> str:
        """`finished`, or `interrupted` while some trajectory has not reached its end."""
        return "interrupted" if (self._outcome == PENDING).any() else "finished"

    @property
    def failures(self) -> tuple[Failure, ...]:
        """None: in memory an exception ends the run."""
        return ()

    def events(self) -> list[dict[str, Any]]:
        """None are kept."""
        return []

    def read(self, name: str, trajectories: slice, times: slice) -> Array:
        """Part of an array, a copy."""
        return self._arrays[name][trajectories, times].copy()

    def committed(self) -> npt.NDArray[np.int64]:
        """Per block, the last recorded step."""
        return self._committed.copy()

    def outcome(self) -> npt.NDArray[np.uint8]:
        """Per trajectory, its outcome."""
        return self._outcome.copy()

    def diverged_at(self) -> npt.NDArray[np.int64]:
        """Per trajectory, the first non-finite step, -1 for never."""
        return self._diverged_at.copy()

    def notes(self) -> tuple[str, ...]:
        """Notes so far."""
        return self._notes


class MemorySink:
    """Writes one block into a `MemoryStorage`; commits only when the loop ends."""

    def __init__(self, storage: MemoryStorage, block: int) -> None:
        self._storage = storage
        self._block = block
        self._members = storage.header.block(block)
        self._rows = slice(self._members.start, self._members.stop)

    def load(self) -> Checkpoint | None:
        """The checkpoint of an interrupted run."""
        return self._storage.checkpoints.get(self._block)

    def record(self, name: str, row: int, values: Array) -> None:
        """Keep one row."""
        self._storage._arrays[name][self._rows, row] = values

    def due(self) -> bool:
        """Never: nothing is safer for being committed early."""
        return False

    def stopping(self) -> bool:
        """Never."""
        return False

    def commit(self, checkpoint: Checkpoint, outcome: npt.NDArray[np.uint8]) -> None:
        """Keep the checkpoint and the outcomes."""
        self._storage.checkpoints[self._block] = checkpoint
        self._storage._committed[self._block] = checkpoint.step
        self._storage._outcome[self._rows] = outcome
        self._storage._diverged_at[self._rows] = checkpoint.arrays["diverged_at"]
