"""Writing and reading a run over plain zarr with the same chunks and codecs, numbers that are there already."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from paired_seconds import paired_seconds
from zarr.codecs import Crc32cCodec, ZstdCodec

import thermograd as tg
from running_parts.fresh_folder import in_fresh_folder
from running_parts.row import Row
from thermograd.ensemble.directory_run import train_in_directory
from thermograd.store.layout import FINISHED, PENDING, ArraySpec, BlockSink, Checkpoint, Header
from thermograd.store.stored_array import StoredArray, stored_arrays

NAME = "position"


@dataclass(frozen=True)
class Drawn:
    """Stands for an experiment whose numbers cost nothing to make."""

    trajectories: int


class Recorder:
    """Hands numbers to the store record by record, and commits when that is due, as training does.

    Args:
        values: (time, trajectory, ...), so that a record is one piece of memory, as it is in training.
        block_size: trajectories per block.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, values: np.ndarray, block_size: int = 256) -> None:
        self.experiment = Drawn(values.shape[1])
        self._values = values
        self._block_size = block_size

    def header(self, name: str = "drawn") -> Header:
        """One array, recorded at every step."""
        records, trajectories, *shape = self._values.shape
        spec = ArraySpec(NAME, tuple(shape), "float64", np.arange(1, records + 1))
        return Header(
            name or "drawn", 0, trajectories, records, 1, self._block_size, "eager", "drawn", (spec,)
        )

    def train(self, block: int, sink: BlockSink, *, until: object = None, progress: object = None) -> None:
        """Record one block."""
        del until, progress
        members = self.header().block(block)
        never = np.full(len(members), -1, np.int64)
        sink.load()
        last = len(self._values)
        for row, values in enumerate(self._values):
            record = values[members.start : members.stop]
            sink.record(NAME, row, record)
            if sink.due() or row == last - 1:
                outcome = FINISHED if row == last - 1 else PENDING
                state = Checkpoint(row + 1, {NAME: record, "diverged_at": never})
                sink.commit(state, np.full(len(members), outcome, np.uint8))


def plain_array(folder: Path, layout: StoredArray) -> zarr.Array:
    """An array of zarr's own with the chunks and the codecs of ours."""
    return zarr.open_group(folder / "plain.zarr", mode="a").require_array(
        NAME,
        shape=layout.shape,
        chunks=layout.chunks,
        dtype=layout.dtype,
        compressors=[ZstdCodec(level=3), Crc32cCodec()],
    )


def write_plain(folder: Path, values: np.ndarray, layout: StoredArray) -> None:
    """Chunk by chunk, as the store does."""
    array = plain_array(folder, layout)
    rows, records = layout.chunks[:2]
    for row in range(0, layout.shape[0], rows):
        for first in range(0, layout.shape[1], records):
            part = np.s_[row : row + rows, first : first + records]
            array[part] = values[part]


def rows(*, quick: bool) -> Iterator[Row]:
    """168 MB of random walks; a third of them, where what a run costs at its two ends counts threefold, without a bar."""
    yield from _written(1000, quick=quick, bar=None)
    if not quick:
        yield from _written(3000, quick=quick, bar=1.5)


def _written(records: int, *, quick: bool, bar: float | None) -> Iterator[Row]:
    repeats = 2 if quick else 5
    values = np.random.default_rng(0).standard_normal((records, 1000, 7)).cumsum(axis=0)
    by_trajectory = np.ascontiguousarray(values.swapaxes(0, 1))
    recorder = Recorder(values)
    (layout,) = stored_arrays(recorder.header())
    ours, plain = paired_seconds(
        in_fresh_folder(lambda folder: train_in_directory(recorder, folder / "run")),
        in_fresh_folder(lambda folder: write_plain(folder, by_trajectory, layout)),
        repeats,
    )
    what = f"writing 1000 x {records} x 7 numbers, over plain zarr with the same chunks"
    yield Row(what, ours / plain, "<=", bar) if bar else Row(what, ours / plain)
    if bar is None and not quick:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_in_directory(recorder, folder / "run")
        write_plain(folder, by_trajectory, layout)
        run, array = tg.open_run(folder / "run"), plain_array(folder, layout)
        if not np.array_equal(run.array(NAME), array[...]):
            message = "the run and plain zarr hold different numbers"
            raise AssertionError(message)
        ours, plain = paired_seconds(lambda: run.array(NAME), lambda: array[...], repeats)
    yield Row(f"run.array of 1000 x {records} x 7 numbers, over plain zarr", ours / plain, "<=", 1.3)
