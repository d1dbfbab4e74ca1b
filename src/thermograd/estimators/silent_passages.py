"""The mean of min(T, horizon) where no run arrived: what can be said of it, and draws that say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.numerics.bootstrap import generator_of_data

Array = npt.NDArray[Any]


def none_arrived(time: Array, reached: Array, horizon: int) -> bool:
    """Whether no trajectory arrived before the horizon.

    Args:
        time: `(K,)` time of arrival or censoring of each outcome.
        reached: `(K,)` True for arrival.
        horizon: where to stop.

    Returns:
        True also if some arrived exactly at the horizon: min(T, horizon) does not know of it.

    >>> none_arrived(np.array([5, 9]), np.array([True, False]), 5), none_arrived(np.array([5, 9]), np.array([True, False]), 6)
    (True, False)
    """
    return not (reached & (time < horizon)).any()


def silent_mean(time: Array, counts: Array, chance: npt.ArrayLike) -> Array:
    """The least mean of min(T, horizon) with which so many silent trajectories are as likely as `chance`.

    Of n(t) trajectories seen for t none arrives with probability Psi(t)^n(t), and the mean is at least t Psi(t), whenever
    before t the arrivals come. So it is the largest of t chance^(1 / n(t)) over the times t at which a record ends.

    Args:
        time: `(K,)` when each record ends, at most the horizon.
        counts: `(K,)` how many trajectories end so.
        chance: above 0, at most 1; any shape.

    Returns:
        The mean, of the shape of `chance`.

    >>> silent_mean(np.array([33]), np.array([8]), 0.025).round(2)
    np.float64(20.81)
    """
    chance = np.asarray(chance, float)
    ends = [(end, counts[time >= end].sum()) for end in np.unique(time)]
    return np.asarray(np.max([end * chance ** (1.0 / seen) for end, seen in ends], axis=0))[()]


def silent_samples(
    time: Array, counts: Array, value: float, *, level: float, resamples: int, seed: int
) -> Array:
    """Draws of the mean of min(T, horizon) that scatter as its interval claims, where resampling shows no scatter at all.

    A share u of them is below `silent_mean(u)`: for one horizon they are horizon Psi with Psi from Beta(n, 1), which is what
    n silent trajectories leave of a uniform law of log Psi. The highest (1 − level) / 2 are the value itself, the upper
    end. Differences and ratios with other means are then no more certain than the interval.

    Args:
        time: `(K,)` when each record ends, at most the horizon.
        counts: `(K,)` how many trajectories end so.
        value: the upper end, the horizon.
        level: two-sided confidence of the interval.
        resamples: number of draws.
        seed: non-negative; the same data and seed give the same draws, other data independent ones.

    Returns:
        `(resamples,)` means.

    >>> drawn = silent_samples(np.array([33]), np.array([8]), 33.0, level=0.95, resamples=2000, seed=0)
    >>> np.sort(drawn)[[49, 1949, 1950]].round(2).tolist()
    [20.81, 32.9, 33.0]
    """
    order = generator_of_data(seed, time, counts).permutation(resamples)
    chance = (order + 1.0) / resamples
    certain = chance > 1.0 - (1.0 - level) / 2.0
    return np.where(certain, value, silent_mean(time, counts, chance))
