"""Two worker processes over one run in the caller, start of the processes included."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Taken:
    """Seconds of one run: by the wall clock, and of all processors."""

    wall: float
    processor: float


def rows(*, quick: bool) -> Iterator[Row]:
    """Best of 3 pairs; left out if it has to be quick. The wall needs both cores for itself, processor time does not."""
    if quick:
        return
    training = _long_enough()
    pairs = [(_taken(training, None), _taken(training, TWO_WORKERS)) for _ in range(3)]
    inline, workers = zip(*pairs, strict=True)
    alone = min(one.wall for one in inline)
    speed = alone / min(one.wall for one in workers)
    yield Row(
        f"two worker processes, speed over one run in the caller of {alone:.0f} s", speed, ">=", 1.6, "wall"
    )
    together = min(one.processor for one in workers) / min(one.processor for one in inline)
    yield Row("processor time of both and the coordinator over that of the caller alone", together)


def _long_enough() -> Experiment:
    """8 blocks of networks on digits, so many epochs that they take 20 s of processor time at least."""
    epochs = 4
    while (taken := _taken(_experiment(epochs), None).processor) < SECONDS:
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


def _taken(training: Experiment, executor: dict[str, Any] | None) -> Taken:
    begun = time.perf_counter(), _processor_seconds()
    in_fresh_folder(lambda folder: tg.run(training, store=folder / "run", executor=executor))()
    return Taken(time.perf_counter() - begun[0], _processor_seconds() - begun[1])


def _processor_seconds() -> float:
    """Of this process and of those it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
