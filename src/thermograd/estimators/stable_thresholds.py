"""Thresholds between which the exponent does not depend on the threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging_slopes import aging_slopes
from thermograd.estimators.short_number import short_number
from thermograd.estimators.threshold_times import ThresholdTimes

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_PER_DECADE = 6
FEWEST_TIMES = 6
DECADES = 1.0
_TOLERANCE = 0.05
_FEWEST_LEVELS = 3
_APART = 0.1


def threshold_grid(low: float, high: float) -> Array:
    """Thresholds 10^(j/6) from one displacement to another.

    >>> threshold_grid(0.1, 1.0).round(3).tolist()
    [0.1, 0.147, 0.215, 0.316, 0.464, 0.681, 1.0]
    """
    first, last = np.floor(_PER_DECADE * np.log10(low)), np.ceil(_PER_DECADE * np.log10(high))
    grid: Array = 10 ** (np.arange(first, last + 1) / _PER_DECADE)
    return grid


def stable_thresholds(found: ThresholdTimes) -> Flags:
    """The longest run of thresholds whose exponents differ by at most 0.05, `(..., K)`.

    A threshold can be used if 6 waiting times over a decade reach it, and none passes it at its first lag: there the noise
    of single steps is seen. If fewer than three neighbours agree, the middle one of those that can be used is taken.

    Above the longest run there may be another, at least half as long, with an exponent that is larger by more than 0.1: then
    that one is taken. Two such runs are the two ways in which weights move, by the fluctuations of the noise, which do not
    age, and by what training still changes. (A smaller exponent above is what a level too high for its waiting times has.)

    Args:
        found: the times at the thresholds of a grid.

    Returns:
        Which are chosen; none if none can be used.
    """
    usable = found.usable(FEWEST_TIMES, DECADES)
    slopes = np.where(usable, aging_slopes(found.waiting_times, found.times).each, np.nan)
    run, length = _longest_run(slopes)
    above, size = _longest_run(
        np.where(run.cumsum(axis=-1) == length[..., None], np.where(run, np.nan, slopes), np.nan)
    )
    ages = _mean(slopes, above) - _mean(slopes, run) > _APART
    run = np.where((ages & (size >= _FEWEST_LEVELS) & (2 * size >= length))[..., None], above, run)
    rank = usable.cumsum(axis=-1) - 1
    middle = usable & (rank == usable.sum(axis=-1, keepdims=True) // 2)
    return np.where(length[..., None] >= _FEWEST_LEVELS, run, middle)


def dependence_on_threshold(found: ThresholdTimes, chosen: Flags) -> str:
    """How far the exponent depends on the threshold: where no three neighbours agree, or where others agree on another.

    Small displacements are often those of the noise alone, which does not age while the weights do: both agree with
    themselves.

    Args:
        found: the times at the thresholds of a grid.
        chosen: what was chosen of it, `(K,)`.

    Returns:
        A remark, or "".
    """
    flags = found.usable(FEWEST_TIMES, DECADES)
    if chosen.sum() >= _FEWEST_LEVELS:
        return _another_agreement(found, chosen, flags & ~chosen)
    usable = found.at(flags)
    if usable.levels.size < 2:
        return ""
    slopes = aging_slopes(found.waiting_times, usable.times).each
    ends = (f"{slopes[end]:.2f} at {short_number(usable.levels[end])}" for end in (0, -1))
    return f"depends on the threshold: {', '.join(ends)}"


def _another_agreement(found: ThresholdTimes, chosen: Flags, others: Flags) -> str:
    """The longest stretch of other thresholds that agree with one another and not with the chosen ones, as a remark."""
    each = aging_slopes(found.waiting_times, found.times).each
    start, length = (int(number) for number in _longest_agreement(np.where(others, each, np.nan)))
    stretch = slice(start, start + length)
    if length < _FEWEST_LEVELS or abs(each[stretch].mean() - each[chosen].mean()) <= _APART:
        return ""
    low, high = (short_number(found.levels[end]) for end in (start, start + length - 1))
    return f"another range of thresholds has {each[stretch].mean():.2f}: {low}…{high}"


def _longest_run(slopes: Array) -> tuple[Flags, npt.NDArray[np.int64]]:
    """The longest stretch that agrees, as flags, and its length."""
    start, length = _longest_agreement(slopes)
    places = np.arange(slopes.shape[-1])
    return (places >= start[..., None]) & (places < (start + length)[..., None]), length


def _mean(slopes: Array, run: Flags) -> Array:
    """Mean over a run; 0 of an empty one."""
    total: Array = np.where(run, slopes, 0.0).sum(axis=-1) / np.maximum(run.sum(axis=-1), 1)
    return total


def _longest_agreement(slopes: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Start and length of the longest stretch whose largest and smallest differ by at most 0.05; the first of equals."""
    lengths = np.zeros(slopes.shape, np.int64)
    for start in range(slopes.shape[-1]):
        ahead = slopes[..., start:]  # NaN ends a stretch
        spread = np.maximum.accumulate(ahead, axis=-1) - np.minimum.accumulate(ahead, axis=-1)
        lengths[..., start] = (spread <= _TOLERANCE).sum(axis=-1)
    if not lengths.size:
        nothing = np.zeros(slopes.shape[:-1], np.int64)
        return nothing, nothing
    first = lengths.argmax(axis=-1)
    return first, np.take_along_axis(lengths, first[..., None], axis=-1)[..., 0]
