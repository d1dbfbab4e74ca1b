"""`open_run`: a run directory as a `Run`, also while it is being written. Numpy and zarr, never torch."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedRunError, MemoryLimitError
from thermograd.store import lock
from thermograd.store.checkpoint_file import FILE as CHECKPOINT
from thermograd.store.checkpoint_file import read_checkpoint
from thermograd.store.chunks import Damage, damaged, read_chunk, read_rows, trusted_chunks
from thermograd.store.events import read_events
from thermograd.store.failures import Failure, block_folder, read_failures
from thermograd.store.free_memory import free_memory
from thermograd.store.layout import DIVERGED, FAILED, PENDING, ArraySpec, Checkpoint, Header
from thermograd.store.manifest import Manifest, read_manifest
from thermograd.store.printable import printable
from thermograd.store.run import Run
from thermograd.store.stored_array import StoredArray, metadata
from thermograd.store.zarr_group import GROUP, bookkeeping, group_attributes, open_array, open_group

Array = npt.NDArray[Any]


def open_run(path: str | Path, *, salvage: bool = False) -> Run:
    """Open a run directory for reading.

    Takes no lock and writes nothing; only records that were committed are shown, the rest is NaN (-1 for
    integers). Every chunk read must exist and pass its checksum.

    Args:
        path: the run directory.
        salvage: read what cannot be trusted as NaN instead of raising; manifest, record times and the
            description of the group must be whole.

    Returns:
        The run; `run.state` and the arrays follow the disk as the run goes on.

    Raises:
        ForeignDirectoryError: the folder is not a run.
        NewerFormatError: a later version of thermograd wrote it.
        DamagedRunError: a file is lost or damaged; `.damage` names it.
        MissingExtraError: zarr is not installed.
        ConfigError: a ValueError: no path.

    >>> import tempfile
    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> experiment = tg.Experiment(Quadratic(), trajectories=4, epochs=3, engine="eager")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = tg.run(experiment, store=f"{folder}/run")
    ...     run = open_run(f"{folder}/run")
    ...     run.state, run.names, run["train_loss"].shape  # (trajectory, time), time 0 included
    ('finished', ('train_loss',), (4, 4))
    """
    given: object = path  # whatever its annotation says
    if not isinstance(given, str | os.PathLike):
        message = f"path is a {type(path).__name__}; give the run directory, as text or a pathlib.Path"
        raise ConfigError(message)
    return Run(DirectorySource(Path(path), salvage=salvage))


class DirectorySource:
    """Reads one run directory; the `Source` of its `Run`."""

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        self.path: Path | None = path
        self._path = path
        self._salvage = salvage
        self._manifest = read_manifest(path)
        self._check_size()
        self._root = open_group(path)
        self._check_group()
        times = self._times()
        self._arrays = {array.name: array for array in self._manifest.arrays}
        self.header = _header(self._manifest, times)
        described = bookkeeping(self._manifest, times)
        self._open: dict[str, Any] = {}
        self._lost: set[str] = set()
        self._bookkeeping = {
            name: self._trusted(name, described[name]) for name in ("outcome", "diverged_at", "committed")
        }

    @property
    def damage(self) -> tuple[str, ...]:
        """Files that could not be trusted and read as not known, as far as they have been asked for; with `salvage`."""
        return tuple(sorted(self._lost))

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it is now."""
        return dict(json.loads(read_manifest(self._path).to_json()))

    @property
    def state(self) -> str:
        """`created`, `running`, `interrupted`, `failed` or `finished`; a dead owner is an interruption."""
        state = read_manifest(self._path).state
        return "interrupted" if state in {"created", "running"} and not lock.running(self._path) else state

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Blocks that could not be finished."""
        return read_failures(self._path)

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        return read_events(self._path)

    def checkpoint(self, block: int) -> Checkpoint | None:
        """The last checkpoint of a block, None before the first.

        Raises:
            DamagedRunError: it cannot be trusted.
        """
        return read_checkpoint(block_folder(self._path, block) / CHECKPOINT, self._manifest.identity)

    def notes(self) -> tuple[str, ...]:
        """Notes of the manifest, and what failed."""
        failed = self.failures
        lines = [printable(note) for note in read_manifest(self._path).notes]
        if failed:
            lines.append(
                f"{len(failed)} of {self.header.blocks} blocks failed: "
                + "; ".join(f"block {entry.block}: {entry.kind}: {entry.message}" for entry in failed[:3])
            )
        return tuple(lines)

    def committed(self) -> npt.NDArray[np.int64]:
        """Per block, the last step whose records may be trusted."""
        return self._committed(range(self.header.blocks))

    def outcome(self) -> npt.NDArray[np.uint8]:
        """Per trajectory, its outcome as far as it is committed."""
        rows = range(self.header.trajectories)
        outcome = self._rows("outcome", rows, PENDING).copy()
        committed = np.repeat(self.committed(), self.header.block_size)[: rows.stop]
        diverged_at = self.diverged_at()
        known = np.where(outcome == DIVERGED, diverged_at >= 0, committed >= self.header.steps)
        outcome[~known & (outcome != FAILED)] = PENDING
        return outcome.astype(np.uint8)

    def diverged_at(self) -> npt.NDArray[np.int64]:
        """Per trajectory, the first non-finite step as far as it is committed."""
        rows = range(self.header.trajectories)
        found = self._rows("diverged_at", rows, -1).copy()
        committed = np.repeat(self.committed(), self.header.block_size)[: rows.stop]
        found[found > committed] = -1
        return found.astype(np.int64)

    def read(self, name: str, trajectories: slice, times: slice) -> Array:
        """Part of an array; NaN (-1 for integers) where nothing is committed."""
        array = self._arrays[name]
        spec = self.header.array(name)
        rows = range(*trajectories.indices(array.shape[0]))
        records = range(*times.indices(array.shape[1]))
        found = np.full((len(rows), len(records), *spec.shape), array.missing, spec.dtype)
        if not rows or not records:
            return found
        _check_chunk(array)
        length = array.chunks[0]
        blocks = range(rows.start // length, -(-rows.stop // length))
        trusted = np.searchsorted(spec.times, self._committed(blocks), side="right")
        opened = self._opened(array)
        if opened is None:
            return found
        damage: list[Damage] = []
        total = 0
        for block, count in zip(blocks, trusted, strict=True):
            for index in trusted_chunks(array.chunks, array.shape, block, min(int(count), records.stop)):
                if (index[1] + 1) * array.chunks[1] <= records.start:
                    continue
                total += 1
                chunk = read_chunk(self._path, opened, array.disk_name, index)
                if isinstance(chunk, Damage):
                    damage.append(chunk)
                else:
                    _place(
                        found, chunk, index, array, rows, range(records.start, min(int(count), records.stop))
                    )
        if damage and not self._salvage:
            raise damaged(self._path, damage, total)
        self._lost.update(entry.file for entry in damage)
        return found

    def _committed(self, blocks: range) -> npt.NDArray[np.int64]:
        return self._rows("committed", blocks, -1).astype(np.int64)

    def _rows(self, name: str, rows: range, missing: int) -> Array:
        array = self._bookkeeping[name]
        if array is None:
            return np.full(len(rows), missing)
        try:
            return read_rows(self._path, array, name, rows, missing)
        except DamagedRunError as error:
            if not self._salvage:
                raise
            self._lost.update(error.damage)
        return read_rows(self._path, array, name, rows, missing, salvage=True)

    def _opened(self, array: StoredArray) -> Any:
        if array.name not in self._open:
            self._open[array.name] = self._trusted(array.disk_name, metadata(array))
        return self._open[array.name]

    def _trusted(self, name: str, described: dict[str, Any]) -> Any:
        """An open array; None, and its description named as lost, if that cannot be trusted and `salvage`."""
        try:
            return open_array(self._path, self._root, name, described)
        except DamagedRunError as error:
            if not self._salvage:
                raise
            self._lost.update(error.damage)
            return None

    def _check_group(self) -> None:
        if dict(self._root.attrs) == group_attributes(self._manifest):
            return
        message = (
            f"{GROUP}/zarr.json describes another run than manifest.json; "
            f"recover with: thermograd resume {printable(self._path)} --repair"
        )
        raise DamagedRunError(message, (f"{GROUP}/zarr.json",))

    def _check_size(self) -> None:
        """Refuse what would not fit before anything is allocated: times and bookkeeping are read whole."""
        lengths = {array.time: array.shape[1] for array in self._manifest.arrays}
        bookkept = 32 * self._manifest.trajectories + 16 * self._manifest.blocks
        needed = 8 * sum(lengths.values()) + bookkept
        if needed > free_memory() // 2:
            message = (
                f"{printable(self._path)}: the record times and outcomes alone would take {needed / 1e9:.3g} GB, "
                f"half of the free memory is {free_memory() / 2e9:.3g} GB"
            )
            raise MemoryLimitError(message)

    def _times(self) -> dict[str, npt.NDArray[np.int64]]:
        lengths = {array.time: array.shape[1] for array in self._manifest.arrays}
        described = bookkeeping(self._manifest, {name: range(size) for name, size in lengths.items()})
        times = {}
        for name, size in lengths.items():
            opened = open_array(self._path, self._root, name, described[name])
            found = read_chunk(self._path, opened, name, (0,)) if size else np.empty(0)
            if isinstance(found, Damage):
                message = (
                    f"{found}, and without it nobody knows which step a record is of; recover with: "
                    f"thermograd resume {printable(self._path)} --repair"
                )
                raise DamagedRunError(message, (found.file,))
            times[name] = found.astype(np.int64)
            if (np.diff(times[name]) <= 0).any():
                message = f"{GROUP}/{name} does not increase"
                raise DamagedRunError(message, (f"{GROUP}/{name}/c/0",))
        return times


def _check_chunk(array: StoredArray) -> None:
    """Refuse to read an array whose single chunks would not fit: each is decoded whole."""
    needed, limit = math.prod(array.chunks) * np.dtype(array.dtype).itemsize, free_memory() // 2
    if needed > limit:
        message = (
            f"one chunk of {printable(array.name)!r}, of {needed / 1e9:.3g} GB, is decoded whole; "
            f"half of the free memory is {limit / 1e9:.3g} GB"
        )
        raise MemoryLimitError(message)


def _header(manifest: Manifest, times: dict[str, npt.NDArray[np.int64]]) -> Header:
    return Header(
        name=printable(manifest.name),
        seed=manifest.seed,
        trajectories=manifest.trajectories,
        steps=manifest.steps,
        steps_per_epoch=manifest.steps_per_epoch,
        block_size=manifest.block_size,
        engine=printable(manifest.engine),
        reason=printable(manifest.reason),
        arrays=tuple(
            ArraySpec(array.name, array.shape[2:], array.dtype, times[array.time])
            for array in manifest.arrays
        ),
    )


def _place(
    found: Array, chunk: Array, index: tuple[int, ...], array: StoredArray, rows: range, records: range
) -> None:
    """Copy what a chunk and the part asked for have in common."""
    corner = (index[0] * array.chunks[0], index[1] * array.chunks[1])
    first = [max(asked.start, start) for asked, start in zip((rows, records), corner, strict=True)]
    last = [
        min(asked.stop, start + size)
        for asked, start, size in zip((rows, records), corner, chunk.shape[:2], strict=True)
    ]
    if last[0] <= first[0] or last[1] <= first[1]:
        return
    found[
        first[0] - rows.start : last[0] - rows.start, first[1] - records.start : last[1] - records.start
    ] = chunk[first[0] - corner[0] : last[0] - corner[0], first[1] - corner[1] : last[1] - corner[1]]
