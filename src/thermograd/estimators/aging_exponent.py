"""The exponent of aging: how the time to wander by a given displacement grows with the age of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.aging_outcome import aging_outcome, holds, sentence
from thermograd.estimators.aging_slopes import aging_slopes, collapse, slopes_by_age
from thermograd.estimators.aging_spread import (
    AgingSpread,
    Draws,
    spread_over_trajectories,
    spread_over_waiting_times,
)
from thermograd.estimators.characteristic_time import checked_average, checked_thresholds
from thermograd.estimators.displacement_curves import DisplacementCurves, Window, displacement_curves
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.short_number import short_number
from thermograd.estimators.stable_thresholds import dependence_on_threshold, stable_thresholds, threshold_grid
from thermograd.estimators.threshold_times import FEWEST, ThresholdTimes, threshold_times
from thermograd.estimators.trajectory_pieces import checked_level, joined, student
from thermograd.estimators.unusable_thresholds import nothing_moves, why_unusable
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate, Verdict
from thermograd.quantity_figure import figure_of

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

_MOST_DROPPED = 0.1
_BEND = 0.1


class PerThreshold(NamedTuple):
    """The exponent at every threshold alone.

    Attributes:
        thresholds: Δ*, `(K,)`.
        exponents: `(K,)`.
        deviations: their standard errors, `(K,)`.
    """

    thresholds: Array
    exponents: Array
    deviations: Array


@dataclass(frozen=True, eq=False)
class Aging:
    """How fast training slows down.

    Attributes:
        exponent: μ of t* ~ t_w^μ, or None if no threshold can be used.
        verdict: its kind is the outcome; it holds if training ages.
        thresholds: lowest and highest Δ* used; NaN if none.
        per_threshold: the exponent at every threshold that was used.
        collapse: root mean square of ln t* about the law, 0 if Δ depends on t/t_w^μ alone; NaN without exponent.
        collapse_without: the same with exponent 0.
        censored_fraction: share of waiting times and thresholds without a time.
        waiting_times: those with a time, `(W,)`.
        trajectories: how many were averaged.

    >>> ages, lags = np.unique(np.logspace(0, 3, 13).round()), 2 ** np.arange(12)
    >>> logarithm = np.log(1 + lags / ages[:, None])  # Δ of t/t_w alone: simple aging
    >>> table = DisplacementTable(ages.astype(int), lags, logarithm[None, ..., None], [1])
    >>> found = aging_exponent(table)
    >>> found.outcome, round(found.exponent.value, 2), found.collapse < 0.01 < found.collapse_without
    ('simple', 1.0, True)
    """

    exponent: Estimate | None
    verdict: Verdict
    thresholds: tuple[float, float]
    per_threshold: PerThreshold
    collapse: float
    collapse_without: float
    censored_fraction: float
    waiting_times: Steps
    trajectories: int

    @property
    def outcome(self) -> str:
        """One of "stationary", "subaging", "simple", "superaging", "accelerating" and "undetermined"."""
        return self.verdict.kind

    def plot(self) -> Any:
        """Its figure, a `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure_of(self)

    def __str__(self) -> str:
        if self.exponent is None:
            return f"{self.outcome}: {self.verdict.text}"
        notes = [part for part in self.exponent.note.split("; ") if part and part != _said(self.trajectories)]
        return (
            f"{self.outcome}: {_summary(self.exponent, self.trajectories, self.waiting_times, self.thresholds)}"
            + (f" ({'; '.join(notes)})" if notes else "")
        )


def aging_exponent(
    table: DisplacementTable | Mapping[str, Any],
    thresholds: float | Sequence[float] | Array | str = "stable",
    *,
    waiting: Window | None = None,
    group: int | str = 0,
    per: str = "parameter",
    average: str = "displacement",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    margin: float = 0.05,
) -> Aging:
    """The exponent μ of t* ~ t_w^μ, where t* is the time to move by a displacement Δ* from the waiting time t_w on.

    One slope of ln t* on ln t_w for all thresholds, an intercept for each. Its interval is value ± Student's t · standard
    error over R trajectories (bootstrap), or, of one run, over blocks of waiting times (jackknife). μ = 0 is a stationary
    process, 1 simple aging. μ depends on the window of waiting times and on the threshold, unless t* is far shorter than
    t_w: independent steps of variance s^(−a) have the local slope ((1 + u)^a − 1)/u at u = t*/t_w, which is a only for
    u → 0. So window and thresholds are always said.

    Args:
        table: of displacements.
        thresholds: Δ*, one or several, or "stable": those over which it does not depend on them, see `stable_thresholds`. Of
            one that some waiting time passes at its first lag nothing is used.
        waiting: first and last waiting time, either None; waiting time 0 has no logarithm and is left out.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        average: "displacement", t* of the mean displacement; "each", the mean of the t* of all trajectories.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level: two-sided.
        margin: how near to 0 or 1 counts as stationary or simple aging.

    Returns:
        Exponent, outcome and what they rest on. Undetermined, without an exponent, if nothing moves or no threshold can be
        used.

    Raises:
        ConfigError: a ValueError: a threshold that is not positive, fewer than 3 waiting times, nothing measured, or an
            argument out of range.

    >>> steps = np.arange(1, 100_001, dtype=float)
    >>> path = np.log(steps)[:, None]  # moves by Δ* = (ln(1 + t/t_w))²: t* is proportional to t_w
    >>> from thermograd.estimators.displacement_of_positions import mean_square_displacement
    >>> waiting = np.unique(np.geomspace(100, 10_000, 13).astype(int))
    >>> print(aging_exponent(mean_square_displacement(path, steps, waiting_times=waiting), 0.1))
    simple: 1.00 (1.00–1.00), one run, t_w 100…10000, Δ* 0.1
    """
    checked_average(average)
    checked_level(level)
    _check(resamples=resamples, margin=margin)
    curves = displacement_curves(table, group=group, per=per, waiting=waiting, from_step=1, fewest=FEWEST)
    choose = stable_thresholds if _is_stable(thresholds) else None
    if np.isnan(curves.range[0]):
        levels = np.zeros(0) if choose else checked_thresholds(thresholds, curves)
        return _without(curves, threshold_times(curves, levels, average), nothing_moves(curves))
    levels = (
        threshold_grid(curves.at_first_lag / 2, curves.range[1])
        if choose
        else checked_thresholds(thresholds, curves)
    )
    found = threshold_times(curves, levels, average)
    chosen = choose(found) if choose else found.usable()
    if not chosen.any():
        return _without(curves, found, why_unusable(curves, found, stable=choose is not None))
    if curves.trajectories > 1:
        draws = Draws(resamples, seed)
        spread = spread_over_trajectories(curves, found, chosen, average, draws, choose)
    else:
        spread = spread_over_waiting_times(found.at(chosen))
    note = dependence_on_threshold(found, chosen) if choose else _left_out(chosen)
    return _aging(curves, found.at(chosen), spread, note, level, margin)


def _is_stable(thresholds: object) -> bool:
    if isinstance(thresholds, str) and thresholds != "stable":
        message = f"thresholds is {thresholds!r}; give displacements, or 'stable'"
        raise ConfigError(message)
    return isinstance(thresholds, str)


def _aging(
    curves: DisplacementCurves,
    chosen: ThresholdTimes,
    spread: AgingSpread,
    note: str,
    level: float,
    margin: float,
) -> Aging:
    slopes = aging_slopes(curves.waiting_times, chosen.times)
    value = float(slopes.common)
    reach = student(level, spread.pieces) * spread.common if spread.pieces > 1 else np.inf
    low, high = value - reach, value + reach
    unsteady = spread.dropped > _MOST_DROPPED
    outcome = "undetermined" if unsteady else aging_outcome(low, high, margin)
    bend = _bend(curves, chosen, spread, level)
    exponent = Estimate(
        value,
        (low, high),
        level=level,
        pieces=spread.pieces,
        note=joined(
            [
                curves.few(),
                _single(spread),
                note,
                bend,
                _dropped(spread),
                _rounding(curves, chosen),
                curves.note,
            ]
        ),
        samples=spread.samples,
    )
    ends = (float(chosen.levels[0]), float(chosen.levels[-1]))
    summary = _summary(exponent, curves.trajectories, chosen.used, ends)
    evidence = {
        "exponent": value,
        "low": low,
        "high": high,
        "waiting_times": (int(chosen.used[0]), int(chosen.used[-1])),
        "thresholds": ends,
        "trajectories": curves.trajectories,
        "censored_fraction": chosen.censored_fraction,
    }
    words = sentence(outcome, low, high) if not unsteady else sentence(outcome, -np.inf, np.inf)
    return Aging(
        exponent,
        Verdict(holds(outcome), outcome, f"{words}: exponent {summary}.", evidence),
        ends,
        PerThreshold(chosen.levels, slopes.each, spread.each),
        collapse(curves.waiting_times, chosen.times, value),
        collapse(curves.waiting_times, chosen.times, 0.0),
        chosen.censored_fraction,
        chosen.used,
        curves.trajectories,
    )


def _without(curves: DisplacementCurves, candidates: ThresholdTimes, why: str) -> Aging:
    evidence = {
        "displacements": curves.range,
        "waiting_times": (int(curves.waiting_times[0]), int(curves.waiting_times[-1])),
        "trajectories": curves.trajectories,
        "censored_fraction": candidates.censored_fraction,
    }
    nothing = np.zeros(0)
    return Aging(
        None,
        Verdict(None, "undetermined", joined([why, curves.note]), evidence),
        (np.nan, np.nan),
        PerThreshold(nothing, nothing, nothing),
        np.nan,
        np.nan,
        candidates.censored_fraction,
        candidates.used,
        curves.trajectories,
    )


def _single(spread: AgingSpread) -> str:
    if spread.pieces > 1:
        return ""
    return "no interval: paths from its waiting times share most of their steps; lower the threshold, or repeat the run"


def _dropped(spread: AgingSpread) -> str:
    if spread.dropped <= _MOST_DROPPED:
        return ""
    share = f"{100 * spread.dropped:.0f} % of the resamples"
    return f"{share} reach the thresholds at fewer than {FEWEST} waiting times"


def _bend(curves: DisplacementCurves, chosen: ThresholdTimes, spread: AgingSpread, level: float) -> str:
    """That early and late waiting times have different exponents, where the difference is no chance."""
    early, late = (float(slope) for slope in slopes_by_age(curves.waiting_times, chosen.times, chosen.middle))
    reach = student(level, spread.pieces) * spread.change if spread.pieces > 1 else np.inf
    if not abs(late - early) > max(reach, _BEND):
        return ""
    return f"depends on the window: {early:.2f} up to t_w {chosen.middle:.0f}, {late:.2f} after"


def _left_out(usable: npt.NDArray[np.bool_]) -> str:
    count = int((~usable).sum())
    return f"{count} of {usable.size} thresholds cannot be used" if count else ""


def _rounding(curves: DisplacementCurves, chosen: ThresholdTimes) -> str:
    if chosen.levels[0] >= curves.floor:
        return ""
    return f"rounding of the weights alone moves them by {short_number(curves.floor)}, more than the lowest threshold"


def _said(trajectories: int) -> str:
    return "one run" if trajectories == 1 else f"{trajectories} trajectories"


def _summary(exponent: Estimate, trajectories: int, waiting_times: Steps, ends: tuple[float, float]) -> str:
    value, low, high = (
        round(float(end), 2) + 0.0 for end in (exponent.value, *exponent.interval)
    )  # no −0.00
    dash = "–" if low >= 0 else " to "
    level = "" if f"{exponent.level:g}" == "0.95" else f" at {100 * exponent.level:g} %"
    thresholds = "…".join(dict.fromkeys(map(short_number, ends)))
    return (
        f"{value:.2f} ({low:.2f}{dash}{high:.2f}{level}), {_said(trajectories)}, "
        f"t_w {waiting_times[0]}…{waiting_times[-1]}, Δ* {thresholds}"
    )


def _check(*, resamples: int, margin: float) -> None:
    check_whole_number("resamples", resamples, 2, error=ConfigError)
    if not is_finite_number(margin) or not 0 <= margin < 0.5:
        message = f"margin is {margin}; it must be from 0 to below 0.5"
        raise ConfigError(message)
