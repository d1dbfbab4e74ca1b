"""How long a run will still take, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from thermograd.store.duration import duration

if TYPE_CHECKING:
    from thermograd.ensemble.progress import Progress


def time_left(progress: Progress) -> str:
    """The time at the present speed, with a range for its drift: ± 50 % at first, then ± 1/√(1 + seconds)."""
    left = progress.steps_total - progress.steps_done
    if left <= 0:
        return "0 s"
    if progress.steps_now <= 0 or progress.seconds <= 0:
        return "not known yet"
    seconds = left * progress.seconds / progress.steps_now
    spread = min(0.5, 1 / math.sqrt(1 + progress.seconds))
    low, high = duration(seconds * (1 - spread)), duration(seconds * (1 + spread))
    return low if low == high else f"{low} to {high}"
