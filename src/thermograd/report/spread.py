"""Mean and spread over the trajectories of a run, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.quantities import Estimate
from thermograd.report.figure import spaced
from thermograd.report.moments import Moments
from thermograd.store.known_values import known_values
from thermograd.store.run import Run

Array = npt.NDArray[Any]
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Spread:
    """A recorded scalar, averaged over the trajectories that did not diverge.

    Attributes:
        steps: `(time,)` optimiser steps at which it was recorded, those with any value.
        count: `(time,)` trajectories with a value.
        mean: `(time,)` their mean.
        deviation: `(time,)` their standard deviation (n - 1 in the denominator); NaN for one trajectory.
    """

    steps: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    mean: Array
    deviation: Array

    def estimate(self, level: float = 0.95) -> Estimate:
        """The mean with the interval of Student's t, `mean ± t · deviation / √count`."""
        half = _half_width(self.count, self.deviation, level)
        return Estimate(
            self.mean, (self.mean - half, self.mean + half), level, float(self.count.min(initial=0))
        )


def spread(run: Run, name: str, points: int = 2000) -> Spread:
    """Mean and standard deviation over trajectories, block by block.

    Args:
        run: the recorded ensemble.
        name: a scalar observable.
        points: at most so many times are looked at, first and last among them.

    Returns:
        The curves, over the times at which anything is known.
    """
    times = run.times(name)
    kept = spaced(times.size, points)
    diverged = run.diverged_at >= 0
    moments = Moments.none(len(kept))
    for block in range(run.source.header.blocks):
        members = run.source.header.block(block)
        known_of_block = known_values(run, name, slice(members.start, members.stop))
        # Copies of a few rows at a time: a block may be the whole run.
        for start in range(0, len(members), _ROWS):
            values = known_of_block[start : start + _ROWS, kept].astype(np.float64)
            first = members.start + start
            values[diverged[first : first + len(values)]] = np.nan
            moments = moments.merged(Moments.of(values))
    count, known = moments.count, moments.count > 0
    return Spread(
        times[kept][known], count[known].astype(np.int64), moments.mean[known], moments.deviation[known]
    )


def change(run: Run, name: str, first: int, last: int, level: float = 0.95) -> Estimate:
    """Mean change of a scalar between two steps, paired within each trajectory.

    Args:
        run: the recorded ensemble.
        name: a scalar observable.
        first: earlier step, one of its times.
        last: later step.
        level: confidence of the interval.

    Returns:
        Mean difference with the interval of Student's t; NaN where fewer than two trajectories have both.
    """
    rows = np.searchsorted(run.times(name), (first, last))
    before, after = (
        known_values(run, name, times=slice(row, row + 1)).astype(np.float64) for row in rows.tolist()
    )
    kept = run.diverged_at < 0
    moments = Moments.of((after - before)[kept])
    count, mean = float(moments.count[0]), float(moments.mean[0])
    if count < 2:
        return Estimate(float("nan"), (float("nan"), float("nan")), level, count)
    half = float(_half_width(moments.count, moments.deviation, level)[0])
    return Estimate(mean, (mean - half, mean + half), level, count)


def _half_width(count: Array, deviation: Array, level: float) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        quantile = stdtrit(np.maximum(count - 1, 1), 0.5 + level / 2)
        return np.where(count >= 2, quantile * deviation / np.sqrt(count), np.nan)
