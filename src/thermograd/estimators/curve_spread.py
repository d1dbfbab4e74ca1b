"""Where the curves of displacement against lag, one for each waiting time, run into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_curves import DisplacementCurves, Window, displacement_curves
from thermograd.estimators.displacement_table import DisplacementTable, as_table
from thermograd.estimators.trajectory_pieces import checked_level, joined
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate
from thermograd.quantity_figure import figure_of

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

_FEWEST = 3
_SMALLEST = 0.1
_MOST_DROPPED = 0.1
_LATEST = 0.1


@dataclass(frozen=True, eq=False)
class CurveSpread:
    """How far the curves of different waiting times are apart.

    Attributes:
        lags: t, `(L,)`.
        spread: standard deviation over waiting times of ln Δ, `(L,)`; NaN at lags that some waiting time lacks.
        merging_lag: the first lag after the largest spread at which it is below half of it; None if there is none, or if
            the curves are nowhere 10 % apart.
        waiting_times: those compared, the same at every lag.

    >>> lags = np.array([1, 2, 4])
    >>> same = np.tile([[1.0], [2.0], [4.0]], (1, 3, 1, 1))  # from every waiting time on
    >>> table = DisplacementTable([1, 2, 4], lags, same, [1])
    >>> found = curve_spread(table, waiting=(None, None))
    >>> found.spread.round(9).tolist(), found.merging_lag is None, found.waiting_times.tolist()
    ([0.0, 0.0, 0.0], True, [1, 2, 4])
    """

    lags: Steps
    spread: Array
    merging_lag: Estimate | None
    waiting_times: Steps

    def plot(self) -> Any:
        """Its figure, a `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure_of(self)

    def __str__(self) -> str:
        waiting = f"t_w {self.waiting_times[0]}…{self.waiting_times[-1]}"
        if np.isnan(self.spread).all():
            return f"no lag was measured at all waiting times ({waiting})"
        place = int(np.nanargmax(self.spread))
        merged = "do not merge" if self.merging_lag is None else f"merge at lag {self.merging_lag}"
        return f"curves up to {self.spread[place]:.2g} apart in ln Δ, at lag {self.lags[place]}; they {merged} ({waiting})"


def curve_spread(
    table: DisplacementTable | Mapping[str, Any],
    *,
    waiting: Window | None = None,
    group: int | str = 0,
    per: str = "parameter",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> CurveSpread:
    """How far displacement curves of different waiting times are apart at each lag, and where they merge.

    The same waiting times are compared at every lag: long lags are measured from early waiting times only, and a range of
    waiting times that shrinks with the lag would look like merging.

    Args:
        table: of displacements.
        waiting: first and last waiting time; None: from 1 to a tenth of the last step that was measured, so that nearly
            all lags are measured from all of them.
        group: position or name.
        per: see `DisplacementTable.mean_square`.
        resamples: of the bootstrap over trajectories.
        seed: of the bootstrap.
        level: two-sided.

    Returns:
        The spread. The interval of the merging lag holds the lag before it too, as merging lies between the two; of one run
        it is no more than that, whatever the level.

    Raises:
        ConfigError: a ValueError: fewer than 3 waiting times, an unknown group, or nothing measured.

    >>> ages = np.array([1, 2, 4, 8])
    >>> lags = 2 ** np.arange(10)
    >>> logarithm = np.log(1 + lags / ages[:, None])  # steps of variance 1/s
    >>> print(curve_spread(DisplacementTable(ages, lags, logarithm[None, ..., None], [1]), waiting=(None, None)))
    curves up to 0.66 apart in ln Δ, at lag 1; they merge at lag 32 (16 to 32 at 95 %) (one run) (t_w 1…8)
    """
    checked_level(level)
    check_whole_number("resamples", resamples, 2, error=ConfigError)
    window = _default(table) if waiting is None else waiting
    curves = displacement_curves(table, group=group, per=per, waiting=window, from_step=1, fewest=_FEWEST)
    spread = _spread(curves.mean)
    place = _merging(spread[None])[0]
    merging = _estimate(curves, place, resamples, seed, level) if place else None
    return CurveSpread(curves.lags, spread, merging, curves.waiting_times)


def _default(given: DisplacementTable | Mapping[str, Any]) -> Window:
    table = as_table(given)
    measured = np.isfinite(table.squared).any(axis=(0, 3))
    last = np.where(measured, table.waiting_times[:, None] + table.lags, 0).max(initial=0)
    return (None, _LATEST * float(last))


def _spread(mean: Array) -> Array:
    """Standard deviation of ln Δ over the waiting times of curves `(..., W, L)`; NaN where one is not measured or 0."""
    moved = mean > 0
    logarithm = np.log(np.where(moved, mean, 1.0))
    return np.where(moved.all(axis=-2), logarithm.std(axis=-2), np.nan)


def _merging(spread: Array) -> npt.NDArray[np.int64]:
    """Positions of the merging lags of spreads `(n, L)`; 0 where there is none."""
    known = np.where(np.isnan(spread), -1.0, spread)
    top = known.argmax(axis=1)
    height = known.max(axis=1)
    after = np.arange(spread.shape[1]) > top[:, None]
    below = after & (spread < height[:, None] / 2) & (height[:, None] >= _SMALLEST)
    return np.where(below.any(axis=1), below.argmax(axis=1), 0)


def _estimate(curves: DisplacementCurves, place: int, resamples: int, seed: int, level: float) -> Estimate:
    lag, before = float(curves.lags[place]), float(curves.lags[place - 1])
    ends = [before, lag]
    unsteady = ""
    if curves.trajectories > 1:
        drawn = [_merging(_spread(curves.weighted(counts))) for counts in curves.resampled(resamples, seed)]
        places = np.concatenate(drawn)
        lags = np.where(places > 0, curves.lags[places], np.inf)
        ends += [float(end) for end in percentile_interval(lags, level, pieces=curves.trajectories)]
        missing = float((places == 0).mean())
        unsteady = f"{100 * missing:.0f} % of the resamples do not merge" if missing > _MOST_DROPPED else ""
    return Estimate(
        lag,
        (min(ends), max(ends)),
        level=level,
        pieces=curves.trajectories if curves.trajectories > 1 else float("nan"),
        note=joined([curves.few(), unsteady, curves.note]),
    )
