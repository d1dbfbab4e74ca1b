"""Thresholds between which the exponent does not depend on the threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging_slopes import aging_slopes
from thermograd.estimators.displacement_curves import DisplacementCurves
from thermograd.estimators.short_number import short_number
from thermograd.estimators.threshold_times import ThresholdTimes, threshold_times

Array = npt.NDArray[np.float64]

_PER_DECADE = 6
_FEWEST_TIMES = 6
_DECADES = 1.0
_TOLERANCE = 0.05
_FEWEST_LEVELS = 3


class StableThresholds(NamedTuple):
    """What was chosen, and from what.

    Attributes:
        chosen: the times at the chosen thresholds; at none if no threshold can be used.
        candidates: the times at all thresholds of the grid.
        note: that the exponent depends on the threshold, or "".
    """

    chosen: ThresholdTimes
    candidates: ThresholdTimes
    note: str


def stable_thresholds(curves: DisplacementCurves, average: str) -> StableThresholds:
    """The longest run of thresholds, 6 per decade, whose exponents differ by at most 0.05.

    A threshold can be used if 6 waiting times over a decade reach it, and none passes it at its first lag: there the noise
    of single steps is seen. If fewer than three neighbours agree, the middle one of those that can be used is taken, and
    the note says how far the exponent depends on it.

    Args:
        curves: the displacement.
        average: see `threshold_times`.

    Returns:
        The choice.
    """
    low, high = curves.range
    ends = np.floor(_PER_DECADE * np.log10(low)), np.ceil(_PER_DECADE * np.log10(high))
    grid = 10 ** (np.arange(ends[0], ends[1] + 1) / _PER_DECADE)
    candidates = threshold_times(curves, grid, average)
    usable = candidates.at(candidates.usable(_FEWEST_TIMES, _DECADES))
    slopes = aging_slopes(curves.waiting_times, usable.times).each
    start, stop = _longest_agreement(slopes)
    if stop - start >= _FEWEST_LEVELS:
        return StableThresholds(usable.at(slice(start, stop)), candidates, "")
    middle = slopes.size // 2
    return StableThresholds(
        usable.at(slice(middle, middle + 1)), candidates, _dependence(usable.levels, slopes)
    )


def _longest_agreement(slopes: Array) -> tuple[int, int]:
    """The longest stretch of neighbours whose largest and smallest differ by at most 0.05; the lowest of equals."""
    best = (0, 0)
    for start in range(slopes.size):
        stop = start + 1
        while stop < slopes.size and np.ptp(slopes[start : stop + 1]) <= _TOLERANCE:
            stop += 1
        best = max(best, (start, stop), key=lambda ends: ends[1] - ends[0])
    return best


def _dependence(levels: Array, slopes: Array) -> str:
    if slopes.size < 2:
        return ""
    ends = (f"{slopes[end]:.2f} at {short_number(levels[end])}" for end in (0, -1))
    return f"depends on the threshold: {', '.join(ends)}"
