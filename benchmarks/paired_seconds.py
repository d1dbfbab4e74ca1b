"""Processor time of two calls in turn."""

from __future__ import annotations

import time
from collections.abc import Callable


def paired_seconds(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 7
) -> tuple[float, float]:
    """Least processor time of both, called in turn after one warm call each: what others take from them is left out."""
    taken: tuple[list[float], list[float]] = ([], [])
    for attempt in range(repeats + 1):
        for call, times in zip((ours, theirs), taken, strict=True):
            start = time.process_time()
            call()
            if attempt:
                times.append(time.process_time() - start)
    return min(taken[0]), min(taken[1])
