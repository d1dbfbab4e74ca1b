"""Processor time of several calls in turn."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable


def seconds_each(
    calls: dict[str, Callable[[], object]], *, repeats: int = 7, seconds: float = 0.3
) -> dict[str, float]:
    """Median processor time of each call; every repetition goes through all of them, with about `seconds` for each."""
    counts = {name: max(1, math.ceil(seconds / _seconds(call, 3))) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            taken[name].append(_seconds(call, counts[name]))
    return {name: statistics.median(values) for name, values in taken.items()}


def _seconds(call: Callable[[], object], count: int) -> float:
    """Of one call, the mean of `count`."""
    begun = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - begun) / count
