"""A recorded number over the trajectories of an ensemble: mean, and between which values most of them lie."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError

Array = npt.NDArray[Any]


class BandOfRuns(NamedTuple):
    """What trajectories have at every time, those with a number there.

    Attributes:
        steps: `(time,)`.
        runs: how many have one, `(time,)`.
        mean: `(time,)`; NaN where none has.
        low: a tenth of them lies below, `(time,)`.
        high: a tenth above, `(time,)`.
    """

    steps: Array
    runs: Array
    mean: Array
    low: Array
    high: Array


def band_of_runs(steps: npt.ArrayLike, values: npt.ArrayLike) -> BandOfRuns:
    """Mean and deciles of `(trajectory, time)`, or of one run `(time,)`, whose deciles are itself.

    Raises:
        ConfigError: a ValueError: shapes that do not fit.

    >>> found = band_of_runs([1, 2], [[1.0, np.nan], [3.0, 4.0]])
    >>> found.mean.tolist(), found.low.round(9).tolist(), found.runs.tolist()
    ([2.0, 4.0], [1.2, 4.0], [2, 1])
    """
    at, given = np.asarray(steps, float), np.asarray(values, float)
    each = given[None] if given.ndim == 1 else given
    if at.ndim != 1 or each.ndim != 2 or each.shape[1:] != at.shape:
        message = f"values have shape {given.shape} and steps {at.shape}; they must be (trajectory, time) or (time,), and (time,)"
        raise ConfigError(message)
    known = np.isfinite(each)
    runs = known.sum(axis=0)
    mean, low, high = np.full((3, at.size), np.nan)
    for count in np.unique(runs[runs > 0]).tolist():
        there = runs == count
        # Those without a number are sorted behind the others.
        some = np.sort(np.where(known, each, np.inf)[:, there], axis=0)[:count]
        mean[there] = some.mean(axis=0)
        low[there], high[there] = np.quantile(some, (0.1, 0.9), axis=0)
    return BandOfRuns(at, runs, mean, low, high)
