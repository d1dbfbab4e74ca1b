"""What checkpoints take of the time of a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from running_parts.plain_zarr import Drawn
from running_parts.row import Row
from thermograd.ensemble.directory_run import train_in_directory
from thermograd.store.layout import FINISHED, PENDING, ArraySpec, BlockSink, Checkpoint, Header

TRAJECTORIES, PARAMETERS, TIMES = 256, 55_210, 5
SECONDS = 60.0


class _State:
    """One block of networks of 55 210 weights in float32, its checkpoints timed, without any training between."""

    notes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.experiment = Drawn(TRAJECTORIES)
        self.taken: list[tuple[float, float]] = []

    def header(self, name: str = "state") -> Header:
        spec = ArraySpec("train_loss", (), "float32", np.arange(1, TIMES + 1))
        return Header(
            name or "state", 0, TRAJECTORIES, TIMES, 1, TRAJECTORIES, "eager", "checkpoints only", (spec,)
        )

    def train(self, block: int, sink: BlockSink, *, until: object = None, progress: object = None) -> None:
        del until, progress, block
        sink.load()
        generator = np.random.default_rng(0)
        weights = generator.standard_normal((TRAJECTORIES, PARAMETERS), dtype=np.float32)
        never = np.full(TRAJECTORIES, -1, np.int64)
        for row in range(TIMES):
            sink.record("train_loss", row, weights[:, row])
            outcome = np.full(TRAJECTORIES, FINISHED if row == TIMES - 1 else PENDING, np.uint8)
            wall, processor = time.perf_counter(), time.process_time()
            sink.commit(Checkpoint(row + 1, {"weights/all": weights, "diverged_at": never}), outcome)
            self.taken.append((time.perf_counter() - wall, time.process_time() - processor))


def rows(*, quick: bool) -> Iterator[Row]:
    """The least of 5 checkpoints of 57 MB as a share of the minute between two of them, in per cent."""
    del quick
    state = _State()
    with tempfile.TemporaryDirectory() as folder:
        train_in_directory(state, Path(folder) / "run")
    wall, processor = (min(column) for column in zip(*state.taken, strict=True))
    size = TRAJECTORIES * PARAMETERS * 4 / 1e6
    yield Row(f"a checkpoint of {size:.0f} MB every 60 s, per cent", 100 * processor / SECONDS, "<=", 2)
    yield Row("the same with waiting for the disk, per cent", 100 * wall / SECONDS, "<=", 2, "wall")
