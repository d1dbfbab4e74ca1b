"""The Kaplan-Meier estimate of a survival function, for one data set or for all resamples of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class StepSurvival:
    """Psi(t) = Pr(T > t), constant between the times at which something happened.

    Attributes:
        knots: `(K,)` times, increasing, the first one 0.
        survival: `(..., K)` value from each knot up to the next.
        arrivals: `(..., K)` number of arrivals at each knot.
        under_way: `(..., K)` number of trajectories at risk just before each knot.
        early: whether some were censored before the last arrival.
    """

    knots: npt.NDArray[np.int64]
    survival: Array
    arrivals: Array
    under_way: Array
    early: bool

    @cached_property
    def effective(self) -> Array:
        """`(..., K)` number of trajectories n whose binomial variance Psi (1 - Psi) / n is Greenwood's.

        As long as Psi = 1 the number at risk; once nobody is left the number it had just before.
        """
        survival, under_way = self.survival, self.under_way
        if not self.early:
            return np.where(survival < 1.0, under_way[..., :1], under_way).astype(float)
        staying = under_way - self.arrivals
        terms = np.where(staying > 0, self.arrivals / np.maximum(under_way * staying, 1), 0.0)
        scatter = np.cumsum(terms, axis=-1)
        between = (survival > 0) & (scatter > 0)
        number = np.where(between, (1.0 - survival) / np.where(between, survival * scatter, 1.0), under_way)
        last = np.maximum(np.argmax(survival <= 0, axis=-1) - 1, 0)
        before = np.take_along_axis(number, last[..., None], axis=-1)
        return np.where(survival > 0, number, before)

    def at(self, times: Array) -> Array:
        """Psi at each of `times`, `(..., time)`."""
        return self.survival[..., self._knot(times)]

    def band(self, times: Array, level: float) -> tuple[Array, Array]:
        """Pointwise Clopper-Pearson band at `times`: Beta quantiles for n Psi successes among n."""
        chosen = self._knot(times)
        effective, survivors = self.effective, self.effective * self.survival
        tail = (1.0 - level) / 2.0
        low = np.where(
            survivors > 0, betaincinv(np.maximum(survivors, 1e-300), effective - survivors + 1.0, tail), 0.0
        )
        dead = effective - survivors
        high = np.where(dead > 1e-9, betaincinv(survivors + 1.0, np.maximum(dead, 1e-300), 1.0 - tail), 1.0)
        return low[..., chosen], high[..., chosen]

    def area(self, horizon: int) -> Array:
        """Sum of Psi(t) over t = 0 ... horizon - 1, the mean of min(T, horizon)."""
        inside = self.knots < horizon
        widths = np.diff(np.append(self.knots[inside], horizon))
        return self.survival[..., inside] @ widths

    def _knot(self, times: Array) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.knots, times, side="right") - 1


def kaplan_meier(time: Array, reached: Array, counts: Array) -> StepSurvival:
    """Survival function of outcomes that occurred `counts` times.

    Psi(t) = product over s <= t of (1 - d(s) / n(s)), with d(s) arrivals at s among n(s) trajectories still
    under way (Kaplan & Meier 1958, eq. 2); a trajectory censored at s counts as under way at s. Variance by
    Greenwood: Psi^2 * sum of d / (n (n - d)). Without early censoring this is the plain fraction of
    survivors with its binomial variance.

    Args:
        time: `(K,)` time of arrival or censoring of each outcome.
        reached: `(K,)` True for arrival.
        counts: `(..., K)` how many trajectories had the outcome, one row per resample.

    Returns:
        The step function.

    >>> steps = kaplan_meier(np.array([1, 2, 3]), np.array([True, False, True]), np.array([1, 1, 2]))
    >>> steps.at(np.array([0, 1, 2, 3])).tolist()
    [1.0, 0.75, 0.75, 0.0]
    """
    # After a censoring fewer are under way: that moment is a knot too.
    knots = np.unique(np.concatenate([[0], time, time[~reached] + 1]))
    place = np.searchsorted(knots, time)
    arrivals = _sum_by(place[reached], counts[..., reached], knots.size)
    censored = _sum_by(place[~reached], counts[..., ~reached], knots.size)
    gone = arrivals + censored
    under_way = gone[..., ::-1].cumsum(axis=-1)[..., ::-1]
    early = bool(np.min(place[~reached], initial=knots.size) < np.max(place[reached], initial=0))
    if early:
        survival = np.cumprod(1.0 - arrivals / np.maximum(under_way, 1), axis=-1)
    else:
        # The plain fraction of survivors, free of the rounding of a long product.
        survival = 1.0 - arrivals.cumsum(axis=-1) / under_way[..., :1]
    return StepSurvival(knots, survival, arrivals, under_way, early)


def mean_up_to(time: Array, reached: Array, counts: Array, horizon: int) -> Array:
    """Mean of min(T, horizon), the sum of Psi(t) over t < horizon.

    Args:
        time: `(K,)` time of arrival or censoring of each outcome.
        reached: `(K,)` True for arrival.
        counts: `(..., K)` how many trajectories had the outcome, one row per resample.
        horizon: where to stop.

    Returns:
        One mean per row of `counts`.

    >>> float(mean_up_to(np.array([1, 4]), np.array([True, False]), np.array([1, 1]), 3))
    2.0
    """
    if (time[~reached] >= horizon).all():
        # Nobody was lost before: min(T, horizon) is known of every trajectory.
        return np.asarray(counts @ np.minimum(time, horizon) / counts.sum(axis=-1))
    return np.asarray(kaplan_meier(time, reached, counts).area(horizon))


def mean_with_tail(time: Array, reached: Array, counts: Array, horizon: int, tail_start: int) -> Array:
    """Mean of T if the hazard beyond the horizon is that seen after `tail_start`.

    Sum of Psi(t) over t < horizon, plus Psi(horizon) * exposure / arrivals, counted after `tail_start`;
    infinite if some are left and none arrived there.

    Args:
        time: `(K,)` time of arrival or censoring of each outcome.
        reached: `(K,)` True for arrival.
        counts: `(..., K)` how many trajectories had the outcome, one row per resample.
        horizon: where the record ends.
        tail_start: where the tail begins.

    Returns:
        One mean per row of `counts`.

    >>> float(mean_with_tail(np.array([1, 3]), np.array([True, False]), np.array([1, 1]), 3, 0))
    4.0
    """
    steps = kaplan_meier(time, reached, counts)
    beyond = steps.at(np.array([horizon]))[..., 0]
    arrivals = counts @ (reached & (time > tail_start)).astype(np.int64)
    exposure = counts @ np.maximum(time - tail_start, 0)
    wait = np.where(arrivals > 0, exposure / np.maximum(arrivals, 1), np.inf)
    rest = np.where(beyond > 0, beyond * np.where(beyond > 0, wait, 1.0), 0.0)
    return np.asarray(mean_up_to(time, reached, counts, horizon) + rest)


def _sum_by(place: Array, counts: Array, size: int) -> Array:
    sums = np.zeros((*counts.shape[:-1], size), counts.dtype)
    if (np.diff(place) > 0).all():
        sums[..., place] = counts
        return sums
    order = np.argsort(place, kind="stable")
    filled, starts = np.unique(place[order], return_index=True)
    sums[..., filled] = np.add.reduceat(counts[..., order], starts, axis=-1)
    return sums
