"""What a run directory and the command line cost, ratios measured in one run: `python benchmarks/running.py`.

Prints one row per bar: what, measured ratio, bar, whether it is met. Exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.directory_run import train_in_directory
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import NonlinearRegression
from thermograd.store.layout import FINISHED, ArraySpec, BlockSink, Checkpoint, Header
from thermograd.store.stored_array import StoredArray, stored_arrays

TRAJECTORIES, PARAMETERS, RECORDS, REPEATS = 1000, 7, 1000, 5


@dataclass(frozen=True)
class Drawn:
    """Stands for an experiment whose numbers cost nothing to make."""

    trajectories: int = TRAJECTORIES


class Recorder:
    """Hands numbers that are there already to the store, record by record, as training would."""

    notes: tuple[str, ...] = ()

    def __init__(self, values: np.ndarray) -> None:
        self.experiment = Drawn()
        self.values = values

    def header(self, name: str = "drawn") -> Header:
        arrays = (ArraySpec("position", (PARAMETERS,), "float64", np.arange(1, RECORDS + 1)),)
        return Header(name or "drawn", 0, TRAJECTORIES, RECORDS, 1, 256, "eager", "drawn", arrays)

    def train(self, block: int, sink: BlockSink, *, until: object = None, progress: object = None) -> None:
        del until, progress
        members = self.header().block(block)
        sink.load()
        for row in range(RECORDS):
            sink.record("position", row, self.values[members.start : members.stop, row])
        never = np.full(len(members), -1, np.int64)
        state = {"position": self.values[members.start : members.stop, -1].copy(), "diverged_at": never}
        sink.commit(Checkpoint(RECORDS, state), np.full(len(members), FINISHED, np.uint8))


def ratio(ours: Callable[[Path], object], theirs: Callable[[Path], object]) -> float:
    """Median of the ratios of wall times, one after the other so that both meet the same load."""
    ratios = []
    for _ in range(REPEATS + 1):
        taken = []
        for call in (ours, theirs):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                call(Path(folder))
                taken.append(time.perf_counter() - start)
        ratios.append(taken[0] / taken[1])
    return statistics.median(ratios[1:])  # the first warms up


def stored_ratio(steps: int) -> float:
    """A run in a directory over the same run in memory."""
    experiment = tg.Experiment(
        NonlinearRegression(),
        WithoutReplacement(10),
        SGD(1e-7),
        observe=[Loss(at=Every(10))],
        save_weights=Every(10),
        trajectories=TRAJECTORIES,
        steps=steps,
    )
    return ratio(lambda folder: tg.run(experiment, store=folder / "run"), lambda _: tg.run(experiment))


def plain_array(folder: Path, layout: StoredArray) -> zarr.Array:
    """An array of zarr's own with the chunks and the codecs of ours."""
    return zarr.open_group(folder / "plain.zarr", mode="a").require_array(
        "position",
        shape=layout.shape,
        chunks=layout.chunks,
        dtype=layout.dtype,
        compressors=[ZstdCodec(level=3), Crc32cCodec()],
    )


def write_plain(folder: Path, values: np.ndarray, layout: StoredArray) -> None:
    """Chunk by chunk, as the store does."""
    array = plain_array(folder, layout)
    rows, records = layout.chunks[:2]
    for row in range(0, TRAJECTORIES, rows):
        for first in range(0, RECORDS, records):
            part = np.s_[row : row + rows, first : first + records]
            array[part] = values[part]


def store_ratios() -> tuple[float, float]:
    """Writing a run, and reading one, over plain zarr."""
    steps = np.random.default_rng(0).standard_normal((TRAJECTORIES, RECORDS, PARAMETERS))
    values = steps.cumsum(axis=1)
    recorder = Recorder(values)
    (layout,) = stored_arrays(recorder.header())
    writing = ratio(
        lambda folder: train_in_directory(recorder, folder / "run"),
        lambda folder: write_plain(folder, values, layout),
    )
    folder = Path(tempfile.mkdtemp())
    try:
        train_in_directory(recorder, folder / "run")
        write_plain(folder, values, layout)
        run, plain = tg.open_run(folder / "run"), plain_array(folder, layout)
        if not np.array_equal(run.array("position"), plain[...]):
            message = "the run and plain zarr hold different numbers"
            raise AssertionError(message)
        return writing, ratio(lambda _: run.array("position"), lambda _: plain[...])
    finally:
        shutil.rmtree(folder)


def processor_seconds(*command: str) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def help_ratio() -> float:
    """`thermograd --help` over a Python that does nothing."""
    pairs = [
        (processor_seconds("-m", "thermograd", "--help"), processor_seconds("-c", "pass"))
        for _ in range(REPEATS + 1)
    ]
    return statistics.median(help_ / nothing for help_, nothing in pairs[1:])


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="length of the run that is stored")
    steps = parser.parse_args().steps
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    writing, reading = store_ratios()
    rows = [
        ("stored run of 1000 x 7 weights every 10th step, time over memory", stored_ratio(steps), 1.10),
        ("writing 1000 x 1000 x 7, time over plain zarr, same chunks", writing, 1.5),
        ("run.array of the whole, time over plain zarr", reading, 1.3),
        ("thermograd --help, processor time over python -c pass", help_ratio(), 30.0),
    ]
    for what, value, bar in rows:
        print(f"{what:68s} {value:8.3g}  bar <= {bar:g}  {'met' if value <= bar else 'MISSED'}")
    return 0 if all(value <= bar for _, value, bar in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
