"""Largest resident memory of a run and of a report, each in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from running_parts.plain_zarr import Recorder
from running_parts.process_cost import peak_megabytes
from running_parts.row import Row
from thermograd.ensemble.directory_run import train_in_directory

_RUN = """
import sys
import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import Quadratic
tg.run(
    tg.Experiment(
        Quadratic(),
        dynamics=SGD(0.1),
        observe=[Loss(at=Every(1))],
        trajectories=int(sys.argv[1]),
        steps=100,
        engine=sys.argv[2],
    ),
    store=sys.argv[3],
)
"""


def _run(trajectories: int, engine: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return peak_megabytes("-c", _RUN, str(trajectories), engine, f"{folder}/run")


def rows(*, quick: bool) -> Iterator[Row]:
    """A run of 10^5 trajectories beside one of 10^3, and a report of 10^4 x 10^3 numbers."""
    large, engine = (10_000, "eager") if quick else (100_000, "auto")
    more = _run(large, engine) - _run(1000, engine)
    yield Row(f"run of {large} trajectories, MB above one of 1000", more, "<=", 50, "memory")
    steps, trajectories = (100, 10_000) if quick else (1000, 10_000)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "run"
        walks = np.random.default_rng(0).standard_normal((steps, trajectories)).cumsum(axis=0)
        train_in_directory(Recorder(walks), place)
        peak = peak_megabytes("-m", "thermograd", "report", str(place))
    yield Row(f"report of {trajectories} x {steps} numbers, MB", peak, "<=", 400, "memory")
