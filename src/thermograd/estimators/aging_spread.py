"""How far the slopes of another sample could be off: trajectories drawn again, or waiting times left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging_slopes import aging_slopes, slopes_by_age
from thermograd.estimators.displacement_curves import DisplacementCurves
from thermograd.estimators.threshold_times import ThresholdTimes, threshold_times

Array = npt.NDArray[np.float64]

Flags = npt.NDArray[np.bool_]

_MOST_BLOCKS = 8


class Draws(NamedTuple):
    """How a bootstrap draws.

    Attributes:
        resamples: how many.
        seed: of the draws.
    """

    resamples: int
    seed: int


class AgingSpread(NamedTuple):
    """Standard errors of slopes.

    Attributes:
        common: of the common slope.
        each: at every threshold, `(K,)`.
        change: of the slope over the late half of ln t_w less that over the early half.
        pieces: independent pieces they rest on.
        dropped: share of the resamples that have no slope.
        samples: common slopes of the resamples that have one, or None.
    """

    common: float
    each: Array
    change: float
    pieces: int
    dropped: float
    samples: Array | None


def spread_over_trajectories(
    curves: DisplacementCurves,
    found: ThresholdTimes,
    chosen: Flags,
    average: str,
    draws: Draws,
    choose: Callable[[ThresholdTimes], Flags] | None,
) -> AgingSpread:
    """Bootstrap over whole trajectories: mean displacement, times, choice of thresholds and slopes anew in each resample.

    Values at different waiting times come from the same trajectories; a scatter of the points about the line would take
    them for independent. Of R pieces the resamples spread too little, by √((R − 1)/R), which is put back.

    Args:
        curves: the displacement, of 2 trajectories or more.
        found: the times at all thresholds.
        chosen: the thresholds that were used, `(K,)`.
        average: see `threshold_times`.
        draws: number of resamples, and seed.
        choose: how they were chosen; None if they were given.

    Returns:
        The standard errors.
    """
    levels = found.levels if choose else found.levels[chosen]
    columns = chosen if choose else slice(None)
    middle = found.at(chosen).middle
    common, each, change = [], [], []
    for counts in curves.resampled(*draws):
        drawn = threshold_times(curves, levels, average, counts)
        slopes = aging_slopes(curves.waiting_times, drawn.times)
        each.append(slopes.each[:, columns])
        early, late = slopes_by_age(curves.waiting_times, drawn.times[..., columns], middle)
        change.append(late - early)
        if choose:
            kept = np.where(choose(drawn)[:, None, :], drawn.times, np.nan)
            slopes = aging_slopes(curves.waiting_times, kept)
        common.append(slopes.common)
    samples = np.concatenate(common)
    known = np.isfinite(samples)
    pieces = curves.trajectories
    wider = float(np.sqrt(pieces / (pieces - 1)))
    return AgingSpread(
        wider * float(samples[known].std()) if known.any() else np.inf,
        wider * _deviation(np.concatenate(each)),
        wider * float(_deviation(np.concatenate(change))),
        pieces,
        float(1 - known.mean()),
        samples[known],
    )


def spread_over_waiting_times(found: ThresholdTimes) -> AgingSpread:
    """Of one run: the jackknife that leaves out one block of neighbouring waiting times.

    SE² = (n − 1)/n Σ (slope without block − their mean)², with n = min(8, W/2) blocks, and fewer if t* is long: the paths
    from t_w and from a later t_w' have steps in common up to t_w' = t_w + t*, so blocks are at least ln(1 + t*/t_w) long
    in ln t_w, in the median. Shorter ones miss how far one run strays as a whole: intervals of 95 % held the exponent in 68 %
    of runs at t* = 2 to 60 t_w. It is the scatter of one run about one power law, not of other runs.

    Args:
        found: the times at the thresholds.

    Returns:
        The standard errors; infinite if there are fewer than 2 blocks that leave a slope.
    """
    used = np.isfinite(found.times).any(axis=1)
    waiting, times = found.waiting_times[used], found.times[used]
    shared = float(np.nanmedian(np.log1p(times / waiting[:, None])))
    independent = int(np.log(waiting[-1] / waiting[0]) / shared)
    count = max(1, min(_MOST_BLOCKS, waiting.size // 2, independent))
    blocks = np.array_split(np.arange(waiting.size), count)
    kept = [np.delete(np.arange(waiting.size), block) for block in blocks]
    left = [aging_slopes(waiting[rows], times[rows]) for rows in kept]
    halves = [slopes_by_age(waiting[rows], times[rows], found.middle) for rows in kept]
    return AgingSpread(
        float(_jackknife([one.common for one in left])),
        _jackknife([one.each for one in left]),
        float(_jackknife([one.late - one.early for one in halves])),
        max(1, int(np.isfinite([one.common for one in left]).sum())),
        0.0,
        None,
    )


def _jackknife(without: Sequence[Array]) -> Array:
    """Standard error from what is left without each block; infinite if fewer than 2 leave anything."""
    values = np.array(without)
    count = np.isfinite(values).sum(axis=0)
    return np.asarray(np.sqrt(np.maximum(count - 1, 1)) * _deviation(values))


def _deviation(values: Array) -> Array:
    """Standard deviation over axis 0 of what is known; infinite of fewer than 2."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    square = np.where(known, np.square(values - mean), 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 1, np.sqrt(square), np.inf)
