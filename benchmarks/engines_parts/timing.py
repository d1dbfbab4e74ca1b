"""Steps per second of processor time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How long is measured: `repeats` times at least about `seconds` each."""

    repeats: int = 5
    seconds: float = 1.0


QUICK = Effort(1, 0.3)


@dataclass(frozen=True)
class Speed:
    """Median, smallest and largest number of steps per second."""

    median: float
    low: float
    high: float


def _speed(rates: list[float]) -> Speed:
    return Speed(statistics.median(rates), min(rates), max(rates))


def _seconds(call: Callable[[int], object], steps: int) -> float:
    begun = time.process_time()
    call(steps)
    return time.process_time() - begun


def steps_per_second(advance: Callable[[int], object], effort: Effort, unit: int = 1) -> Speed:
    """Speed of `advance(steps)`, which goes on where it stopped; `unit` divides the steps."""
    advance(unit)
    steps, taken = unit, _seconds(advance, unit)
    while taken < effort.seconds / 5:
        steps *= 2
        taken = _seconds(advance, steps)
    steps = unit * math.ceil(steps * effort.seconds / taken / unit)
    return _speed([steps / _seconds(advance, steps) for _ in range(effort.repeats)])


def steps_per_second_of_differences(run: Callable[[int], object], effort: Effort, unit: int) -> Speed:
    """Speed of `run(steps)`, which starts anew, from the difference of a short and a long run.

    What a run costs besides its steps (planning, compiling, first and last weights) cancels.
    """
    _seconds(run, unit)
    start, more, taken = _seconds(run, unit), unit, 0.0
    while taken < effort.seconds / 3:
        more *= 2
        taken = _seconds(run, unit + more) - start
    more = max(unit, math.ceil(more * effort.seconds / taken))
    rates = []
    while len(rates) < effort.repeats:
        taken = _seconds(run, unit + more) - _seconds(run, unit)
        rates.append(more / taken if taken > 0 else math.inf)
    return _speed(rates)
