"""Two worker processes over one run in the caller, start of the processes included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import thermograd as tg
from running_parts.fresh_folder import in_fresh_folder
from running_parts.row import Row
from thermograd.dynamics import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.minibatching import WithoutReplacement
from thermograd.problems import Digits

SECONDS = 20.0
TWO_WORKERS = {"kind": "process", "workers": 2}


def rows(*, quick: bool) -> Iterator[Row]:
    """Wall time, which needs both cores for itself; left out if it has to be quick. Best of 3 pairs."""
    if quick:
        return
    training = _long_enough()
    pairs = [(_seconds(training, None), _seconds(training, TWO_WORKERS)) for _ in range(3)]
    inline = min(alone for alone, _ in pairs)
    what = f"two worker processes, speed over one run in the caller of {inline:.0f} s"
    yield Row(what, inline / min(both for _, both in pairs), ">=", 1.6, "wall")


def _long_enough() -> Experiment:
    """8 blocks of networks on digits, so many epochs that they take 20 s at least."""
    epochs = 4
    while (taken := _seconds(_experiment(epochs), None)) < SECONDS:
        epochs = int(epochs * max(1.3, 1.2 * SECONDS / taken)) + 1
    return _experiment(epochs)


def _experiment(epochs: int) -> Experiment:
    return Experiment(
        Digits(hidden=(64,), train_samples=600),
        WithoutReplacement(20),
        SGD(0.1),
        trajectories=64,
        epochs=epochs,
        block_size=8,
    )


def _seconds(training: Experiment, executor: dict[str, Any] | None) -> float:
    taken = []

    def run(folder: Path) -> None:
        begun = time.perf_counter()
        tg.run(training, store=folder / "run", executor=executor)
        taken.append(time.perf_counter() - begun)

    in_fresh_folder(run)()
    return taken[0]
