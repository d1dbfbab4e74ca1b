"""Slopes of ln t* against ln t_w: one for each threshold, and one for all together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.estimators.threshold_times import FEWEST

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


class AgingSlopes(NamedTuple):
    """Least squares of y = ln t* on x = ln t_w.

    Attributes:
        common: one slope with one intercept for each threshold, `(...)`; NaN if no threshold has 3 times.
        each: the slope at every threshold alone, `(..., K)`; NaN where it has fewer than 3 times.
    """

    common: Array
    each: Array


def aging_slopes(waiting_times: Steps, times: Array) -> AgingSlopes:
    """Slopes of characteristic times `(..., W, K)`, NaN where censored.

    x and y are centred within each threshold, then regressed together: Σ_k Σ x y / Σ_k Σ x².

    >>> waiting = np.array([1, 10, 100])
    >>> times = np.stack([2.0 * waiting**0.5, 7.0 * waiting**0.5], axis=-1)
    >>> found = aging_slopes(waiting, times)
    >>> float(found.common.round(12)), found.each.round(12).tolist()
    (0.5, [0.5, 0.5])
    """
    x, y = _centred(waiting_times, times)
    power, product = np.square(x).sum(axis=-2), (x * y).sum(axis=-2)
    enough = power > 0
    each = np.divide(product, power, out=np.full_like(power, np.nan), where=enough)
    common_power = np.asarray(power.sum(axis=-1))
    common = np.divide(
        product.sum(axis=-1), common_power, out=np.full_like(common_power, np.nan), where=common_power > 0
    )
    return AgingSlopes(common, each)


class SlopesByAge(NamedTuple):
    """Common slopes over the early and the late half of ln t_w, each `(...)`.

    Attributes:
        early: up to the middle.
        late: after it.
    """

    early: Array
    late: Array


def slopes_by_age(waiting_times: Steps, times: Array, middle: float) -> SlopesByAge:
    """The common slope before and after a waiting time; NaN where no threshold has 3 times.

    >>> waiting = np.array([1, 2, 4, 8, 16, 32])
    >>> bent = np.where(waiting <= 4, 4.0, waiting)[:, None]
    >>> found = slopes_by_age(waiting, bent, 5.0)
    >>> float(found.early), float(found.late.round(12))
    (0.0, 1.0)
    """
    early = (waiting_times <= middle)[:, None]
    halves = (np.where(half, times, np.nan) for half in (early, ~early))
    return SlopesByAge(*(aging_slopes(waiting_times, half).common for half in halves))


def collapse(waiting_times: Steps, times: Array, exponent: float) -> float:
    """Root mean square of ln t* − μ ln t_w − intercept(threshold): 0 if Δ depends on t/t_w^μ alone.

    Args:
        waiting_times: `(W,)`.
        times: `(W, K)`, NaN where censored.
        exponent: μ.

    Returns:
        A pure number: 0.1 is a scatter of 10 % of the times about the law.

    >>> waiting = np.array([1, 10, 100])
    >>> round(collapse(waiting, 3.0 * waiting[:, None] ** 0.5, 0.5), 12)
    0.0
    """
    x, y = _centred(waiting_times, times)
    counted = (np.isfinite(times) & (np.square(x).sum(axis=0) > 0)).sum()
    return float(np.sqrt(np.square(y - exponent * x).sum() / counted)) if counted else float("nan")


def _centred(waiting_times: Steps, times: Array) -> tuple[Array, Array]:
    """Centred ln t_w and ln t*: less their means at each threshold; 0 where censored, and at thresholds with too few times."""
    known = np.isfinite(times)
    count = known.sum(axis=-2, keepdims=True)
    known &= count >= FEWEST
    logarithm = np.log(np.where(known, times, 1.0))
    place = np.where(known, np.log(waiting_times)[:, None], 0.0)
    x, y = (
        np.where(known, value - value.sum(axis=-2, keepdims=True) / np.maximum(count, 1), 0.0)
        for value in (place, logarithm)
    )
    return x, y
