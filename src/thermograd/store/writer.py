"""Writing a run directory, block by block, so that a kill at any moment loses work and never a number."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError, RunInUseError
from thermograd.store.atomic_file import make_folder
from thermograd.store.checkpoint_file import FILE as CHECKPOINT
from thermograd.store.checkpoint_file import read_checkpoint, safetensors_module, write_checkpoint
from thermograd.store.chunks import chunk_file, read_chunk, read_rows
from thermograd.store.failures import block_folder, clear_failure
from thermograd.store.layout import DIVERGED, FAILED, PENDING, Checkpoint, Header
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.manifest import Manifest, read_manifest
from thermograd.store.stored_array import StoredArray
from thermograd.store.zarr_group import described_arrays, open_array, open_group, zarr_module

Array = npt.NDArray[Any]
Report = Callable[[int, int, dict[str, Array]], None]


def require_lab() -> None:
    """Refuse early, before anything is made, if what a run directory needs is not installed.

    Raises:
        MissingExtraError: names the package and the pip line.
    """
    zarr_module()
    safetensors_module()


class DirectoryStorage:
    """The open arrays of a run directory; the maker of its sinks."""

    def __init__(self, path: Path, manifest: Manifest, header: Header) -> None:
        self.path = path
        self.manifest = manifest
        self.header = header
        root = open_group(path, write=True, fsync=manifest.fsync)
        times = {array.time: spec.times for array, spec in zip(manifest.arrays, header.arrays, strict=True)}
        described = described_arrays(manifest, times)
        self.arrays = {name: open_array(path, root, name, entry) for name, entry in described.items()}
        self._ours: bytes | None = None

    def committed(self, block: int) -> int:
        """Last step of a block whose records may be trusted."""
        return int(self._row("committed", range(block, block + 1), -1)[0])

    def outcome(self, block: int) -> npt.NDArray[np.uint8]:
        """Outcomes of a block's trajectories as they were last written."""
        return self._row("outcome", self.header.block(block), PENDING).astype(np.uint8)

    def finished(self, block: int) -> bool:
        """Whether nothing is left to do for a block."""
        return self.committed(block) >= self.header.steps and not (self.outcome(block) == FAILED).any()

    def all_committed(self) -> npt.NDArray[np.int64]:
        """Per block, the last step whose records may be trusted."""
        return self._row("committed", range(self.header.blocks), -1).astype(np.int64)

    def unfinished(self) -> list[int]:
        """Blocks with something left to do."""
        failed = np.flatnonzero(self._row("outcome", range(self.header.trajectories), PENDING) == FAILED)
        behind = np.flatnonzero(self.all_committed() < self.header.steps)
        return sorted({*behind.tolist(), *(failed // self.header.block_size).tolist()})

    def write_outcome(self, block: int, outcome: npt.NDArray[np.uint8]) -> None:
        """Set the outcomes of a block's trajectories."""
        self._write("outcome", self.header.block(block), outcome)

    def mark_failed(self, block: int) -> None:
        """Those of a block's trajectories that have no committed end are failed."""
        diverged_at = self._row("diverged_at", self.header.block(block), -1)
        ended = (self.outcome(block) == DIVERGED) & (diverged_at <= self.committed(block))
        self.write_outcome(block, np.where(ended, DIVERGED, FAILED).astype(np.uint8))

    def retry(self, block: int) -> None:
        """Forget that a block failed."""
        outcome = self.outcome(block)
        if (outcome == FAILED).any():
            self.write_outcome(block, np.where(outcome == FAILED, PENDING, outcome).astype(np.uint8))
        clear_failure(self.path, block)

    def write_diverged_at(self, block: int, steps: npt.NDArray[np.int64]) -> None:
        """Set the divergence steps of a block's trajectories."""
        self._write("diverged_at", self.header.block(block), steps)

    def write_committed(self, block: int, step: int) -> None:
        """Declare the records up to a step trustworthy."""
        self._write("committed", range(block, block + 1), np.array([step], np.int64))

    def checkpoint_file(self, block: int) -> Path:
        """Where a block keeps its state."""
        return block_folder(self.path, block) / CHECKPOINT

    def reset(self, block: int) -> None:
        """Forget everything of a block, so that it is computed anew.

        The order matters: nothing is trusted any more before anything is taken away.
        """
        size = len(self.header.block(block))
        self.write_committed(block, -1)
        self.checkpoint_file(block).unlink(missing_ok=True)
        self.write_outcome(block, np.full(size, PENDING, np.uint8))
        self.write_diverged_at(block, np.full(size, -1, np.int64))
        for array in self.manifest.arrays:
            for file in chunk_file(self.path, array.disk_name, (block,)).rglob("*"):
                if file.is_file():
                    file.unlink()

    def check_generation(self) -> None:
        """Leave as soon as a later start owns the run.

        Raises:
            RunInUseError: it does.
        """
        content = self._manifest_bytes()
        if (
            content is not None and content == self._ours
        ):  # asked twice a chunk, and checking all of it takes long
            return
        now = read_manifest(self.path).generation
        if now != self.manifest.generation:
            message = (
                f"{self.path} was taken over by start number {now}, this is number {self.manifest.generation}"
            )
            raise RunInUseError(message)
        self._ours = content

    def write_records(self, array: StoredArray, block: int, first: int, values: Array) -> None:
        """Write one whole chunk of records of a block, beginning at record `first`."""
        members = self.header.block(block)
        stop = min(first + values.shape[1], array.shape[1])
        opened = self.arrays[array.disk_name]
        opened[members.start : members.stop, first:stop] = values[: len(members), : stop - first]

    def _manifest_bytes(self) -> bytes | None:
        """The manifest as it lies there; None if it cannot be read, of which `read_manifest` says why."""
        try:
            return (self.path / MANIFEST).read_bytes()
        except OSError:
            return None

    def _row(self, name: str, rows: range, missing: int) -> Array:
        return read_rows(self.path, self.arrays[name], name, rows, missing)

    def _write(self, name: str, rows: range, values: Array) -> None:
        opened = self.arrays[name]
        opened[rows.start : rows.stop] = values


class DirectorySink:
    """Writes one block; what the training loop sees.

    Args:
        storage: the run.
        block: which block.
        stopping: asked at every step boundary.
        report: told (block, last recorded step, newest values by name) after every record time.
        on_commit: told (block, step) after every commit.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        storage: DirectoryStorage,
        block: int,
        *,
        stopping: Callable[[], bool],
        report: Report | None = None,
        on_commit: Callable[[int, Checkpoint], None] = lambda block, checkpoint: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._block = block
        self._stopping = stopping
        self._report = report
        self._on_commit = on_commit
        self._clock = clock
        self._last_commit = clock()
        self._full = False
        self._outcome: npt.NDArray[np.uint8] | None = None
        self._diverged_at: npt.NDArray[np.int64] | None = None
        self._chunks = {array.name: _Chunk(storage, array, block) for array in storage.manifest.arrays}

    def load(self) -> Checkpoint | None:
        """The checkpoint to go on from, with the records of its open chunks read back.

        Raises:
            DamagedRunError: the checkpoint is lost, damaged, or older than what was committed.
        """
        file = self._storage.checkpoint_file(self._block)
        checkpoint = read_checkpoint(file, self._storage.manifest.identity)
        step = -1 if checkpoint is None else checkpoint.step
        committed = self._storage.committed(self._block)
        if committed > step:
            shown = file.relative_to(self._storage.path)
            fault = "is gone" if checkpoint is None else f"is at step {step}"
            message = (
                f"{shown} {fault}, but step {committed} was committed after it. Recompute the block to the same "
                f"bits with: thermograd resume {self._storage.path} --repair"
            )
            raise DamagedRunError(message, (str(shown),))
        if checkpoint is not None:
            for chunk in self._chunks.values():
                chunk.read_back(step)
            if committed < step:
                self._storage.write_committed(self._block, step)
        return checkpoint

    def record(self, name: str, row: int, values: Array) -> None:
        """Keep one row; a chunk that is full is due to be committed."""
        self._full |= self._chunks[name].put(row, values)
        if self._report is not None:
            self._report(self._block, self._chunks[name].step_of(row), {name: values})

    def due(self) -> bool:
        """Whether a chunk is full or the last commit too long ago."""
        return self._full or self._clock() - self._last_commit >= self._storage.manifest.checkpoint_seconds

    def stopping(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stopping()

    def commit(self, checkpoint: Checkpoint, outcome: npt.NDArray[np.uint8]) -> None:
        """Records, then the state that makes more of them, then the promise that they may be trusted."""
        self._write_records(checkpoint, outcome)
        self._write_checkpoint(checkpoint)
        self._write_committed(checkpoint)
        self._full = False
        self._last_commit = self._clock()
        self._on_commit(self._block, checkpoint)

    def _write_records(self, checkpoint: Checkpoint, outcome: npt.NDArray[np.uint8]) -> None:
        self._storage.check_generation()
        for chunk in self._chunks.values():
            chunk.write(checkpoint.step)
        diverged_at = checkpoint.arrays["diverged_at"]
        if self._outcome is None or not np.array_equal(self._outcome, outcome):
            self._storage.write_outcome(self._block, outcome)
            self._outcome = outcome.copy()
        if self._diverged_at is None or not np.array_equal(self._diverged_at, diverged_at):
            self._storage.write_diverged_at(self._block, diverged_at)
            self._diverged_at = diverged_at.copy()

    def _write_checkpoint(self, checkpoint: Checkpoint) -> None:
        file = self._storage.checkpoint_file(self._block)
        make_folder(file.parent)
        manifest = self._storage.manifest
        facts = {
            "generation": str(manifest.generation),
            "identity": manifest.identity,
            "engine": manifest.engine,
        }
        write_checkpoint(file, checkpoint, facts)

    def _write_committed(self, checkpoint: Checkpoint) -> None:
        self._storage.check_generation()
        self._storage.write_committed(self._block, checkpoint.step)


class _Chunk:
    """The chunk of one array that a block is filling."""

    def __init__(self, storage: DirectoryStorage, array: StoredArray, block: int) -> None:
        self._storage = storage
        self._array = array
        self._block = block
        self._times = storage.header.array(array.name).times
        self._place = 0
        self._values = self._empty()
        self._changed = True

    def step_of(self, row: int) -> int:
        """When a row is recorded."""
        return int(self._times[row])

    def put(self, row: int, values: Array) -> bool:
        """Keep one row; True when the chunk is full."""
        self._move(row // self._array.chunks[1])
        local = row - self._first
        self._values[:, local] = values
        self._changed = True
        return local == self._values.shape[1] - 1 or row == self._array.shape[1] - 1

    def write(self, step: int) -> None:
        """Write what was recorded up to `step`; rows nobody recorded (all diverged) are written as missing."""
        records = int(np.searchsorted(self._times, step, side="right"))
        if not records:
            return
        self._move((records - 1) // self._array.chunks[1])
        if self._changed:
            self._storage.write_records(self._array, self._block, self._first, self._values)
            self._changed = False

    def read_back(self, step: int) -> None:
        """Fill the open chunk with the records up to `step` that are on disk.

        Raises:
            DamagedRunError: they are not.
        """
        records = int(np.searchsorted(self._times, step, side="right"))
        if not records:
            return
        self._place = (records - 1) // self._array.chunks[1]
        index = (self._block, self._place, *(0 for _ in self._array.shape[2:]))
        opened = self._storage.arrays[self._array.disk_name]
        found = read_chunk(self._storage.path, opened, self._array.disk_name, index)
        if not isinstance(found, np.ndarray):
            message = f"{found}. Recompute the block with: thermograd resume {self._storage.path} --repair"
            raise DamagedRunError(message, (found.file,))
        kept = records - self._first
        self._values = self._empty()
        self._values[:, :kept] = found[:, :kept]
        self._changed = False

    @property
    def _first(self) -> int:
        return self._place * self._array.chunks[1]

    def _move(self, place: int) -> None:
        """Go on to a later chunk; everything before it is written, were it empty."""
        while self._place < place:
            if self._changed:
                self._storage.write_records(self._array, self._block, self._first, self._values)
            self._place += 1
            self._values.fill(self._array.missing)
            self._changed = True

    def _empty(self) -> Array:
        members = len(self._storage.header.block(self._block))
        size = (members, self._array.chunks[1], *self._array.shape[2:])
        return np.full(size, self._array.missing, self._array.dtype)
