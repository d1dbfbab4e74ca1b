"""The time to move by a threshold against the waiting time, with the law of aging fitted to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging import Aging, DisplacementTable
from thermograd.estimators.displacement_crossings import DisplacementCrossings
from thermograd.estimators.displacement_curves import DisplacementCurves
from thermograd.estimators.short_number import short_number
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import error_bars, layout, line, logarithmic, points, style
from thermograd.report.measured_displacement import measured_displacement
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]

_POWERS = {"exponentformat": "power", "tickformat": ""}
_HEADINGS = (
    "series", "threshold Δ*", "waiting time (steps)", "t* (steps)", "95 % from", "to", "censored", "in the fit",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MovingTimes:
    """Characteristic times of one table at one threshold.

    Attributes:
        threshold: Δ*.
        waiting_times: t_w, `(W,)`.
        times: t*, `(W,)`; NaN where censored.
        low: end of its 95 % interval over trajectories, 0 where resamples pass the threshold at once; NaN of one run.
        high: the other end, infinite where resamples never reach it.
        shortest: t* is not below this lag.
        longest: nor above this one.
        used: which of them are in the fit.
    """

    threshold: float
    waiting_times: Array
    times: Array
    low: Array
    high: Array
    shortest: Array
    longest: Array
    used: Array

    @property
    def state(self) -> list[str]:
        """Of each time: "", "longer", "shorter" than what was measured."""
        ends = zip(np.isnan(self.times).tolist(), np.isinf(self.longest).tolist(), strict=True)
        return [("longer" if open_above else "shorter") if censored else "" for censored, open_above in ends]


def characteristic_times(
    found: Mapping[str, tuple[DisplacementTable, Aging]],
    *,
    threshold: float | None = None,
    group: int | str = 0,
    per: str = "parameter",
    resamples: int = 400,
    seed: int = 0,
    what: str = "",
) -> Figure:
    """t* against waiting time, both logarithmic, one series a setting, with the fitted law t* ~ t_w^μ.

    Args:
        found: name -> its table and the exponent made from it, with the same `group` and `per`.
        threshold: Δ*; None: for each setting the middle one of those that its exponent rests on.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        resamples: of the bootstrap over trajectories behind the error bars.
        seed: of the bootstrap.
        what: what was trained, for the title.

    Returns:
        Markers with 95 % intervals, open where the exponent does not rest on them, as at a threshold outside its own; a
        triangle that points up stands at the longest lag measured where the threshold was not reached by then, one that
        points down at the first lag where it was passed before. The line is the law, through the middle of the times in
        the fit.

    Raises:
        ConfigError: a ValueError: an unknown group, or a word that `per` does not know.
    """
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {heading: [] for heading in _HEADINGS}
    shown: list[MovingTimes] = []
    refused: list[str] = []
    for position, (name, (measured, aging)) in enumerate(found.items()):
        level = threshold if threshold is not None else _middle(aging)
        curves = measured_displacement(measured, group=group, per=per)
        if isinstance(curves, str) or level is None:
            refused.append(f"{name}: {curves if isinstance(curves, str) else aging.verdict.text}")
            continue
        times = _times(curves, level, aging, resamples, seed)
        shown.append(times)
        traces += _series(name, times, aging, position)
        for heading, column in zip(_HEADINGS, _cells(name, times), strict=True):
            table[heading] += column
    return Figure(
        stem="aging",
        name="characteristic_times",
        title=f"Time to move by a threshold against the waiting time{', ' * bool(what)}{what}",
        conclusion=_conclusion(found, shown, refused),
        traces=tuple(traces),
        layout=layout(
            "waiting time t_w (steps)", "time t* to move by Δ* (steps)", hovermode="closest", **_scales(shown)
        ),
        table=table if shown else {},
    )


def _middle(aging: Aging) -> float | None:
    thresholds = aging.per_threshold.thresholds
    return float(thresholds[thresholds.size // 2]) if thresholds.size else None


def _times(
    curves: DisplacementCurves, threshold: float, aging: Aging, resamples: int, seed: int
) -> MovingTimes:
    mean = DisplacementCrossings(curves.mean, curves.lags).at(threshold)
    low = high = np.full(mean.times.shape, np.nan)
    if curves.trajectories > 1:
        drawn = [
            DisplacementCrossings(curves.weighted(counts), curves.lags).at(threshold)
            for counts in curves.resampled(resamples, seed)
        ]
        # A resample in which t* is censored still says on which side it lies.
        sides = [np.where(np.isinf(part.upper), np.inf, np.nan_to_num(part.times, nan=0.0)) for part in drawn]
        low, high = percentile_interval(np.concatenate(sides), pieces=curves.trajectories)
    known = np.isfinite(mean.times)
    return MovingTimes(
        threshold,
        curves.waiting_times,
        mean.times,
        np.where(known, low, np.nan),
        np.where(known, high, np.nan),
        mean.lower,
        mean.upper,
        known & np.isin(curves.waiting_times, aging.waiting_times) & _rests_on(aging, threshold),
    )


def _rests_on(aging: Aging, threshold: float) -> bool:
    """Whether the exponent is made from this threshold, or from those on both sides of it."""
    low, high = aging.thresholds
    return bool(low * (1 - 1e-9) <= threshold <= high * (1 + 1e-9))


def _series(name: str, times: MovingTimes, aging: Aging, position: int) -> list[dict[str, Any]]:
    level = f"Δ* {short_number(times.threshold)}"
    label = f"{name}, {level}" if name else level
    marks = [
        *_marks(times, times.used, label, position, filled=True),
        *_marks(times, ~times.used, label, position, filled=False),
    ]
    shown = [mark | {"showlegend": place == 0} for place, mark in enumerate(marks)]
    return [*_law(times, aging, label, position), *_arrows(times, label, position), *shown]


def _marks(
    times: MovingTimes, part: Array, label: str, position: int, *, filled: bool
) -> list[dict[str, Any]]:
    colour, _, marker = style(position)
    there = part & (times.waiting_times > 0) & np.isfinite(times.times)
    if not there.any():
        return []
    value, low, high = (column[there] for column in (times.times, times.low, times.high))
    mark = points(times.waiting_times[there], value, label, position, legendgroup=label)
    # An interval without end is drawn as far as the neighbouring decade.
    ends = np.maximum(low, value / 10), np.minimum(high, value * 10)
    mark["error_y"] = {**error_bars(value, *ends), "color": colour}
    if not filled:
        mark["marker"] |= {"symbol": f"{marker}-open", "line": {"width": 2, "color": colour}}
    return [mark]


def _arrows(times: MovingTimes, label: str, position: int) -> list[dict[str, Any]]:
    colour = style(position).colour
    arrows = []
    for kind, symbol, end in (
        ("longer", "triangle-up-open", times.shortest),
        ("shorter", "triangle-down-open", times.longest),
    ):
        there = (times.waiting_times > 0) & np.array([state == kind for state in times.state], bool)
        if there.any():
            arrow = points(times.waiting_times[there], end[there], f"{label}: t* is {kind}", position)
            arrow["marker"] |= {"symbol": symbol, "size": 11, "line": {"width": 2, "color": colour}}
            arrows.append(arrow)
    return arrows


def _law(times: MovingTimes, aging: Aging, label: str, position: int) -> list[dict[str, Any]]:
    """The line of the exponent through the mean logarithms of the times that are in the fit."""
    if aging.exponent is None or not times.used.any():
        return []
    x, y = np.log(times.waiting_times[times.used].astype(float)), np.log(times.times[times.used])
    colour, dash, _ = style(position)
    ends = np.array([x.min(), x.max()])
    height = y.mean() + float(aging.exponent.value) * (ends - x.mean())
    fit = line(np.exp(ends), np.exp(height), f"{label}, fit", colour, dash)
    return [fit | {"showlegend": False, "legendgroup": label, "hoverinfo": "skip"}]


def _cells(name: str, times: MovingTimes) -> tuple[list[Any], ...]:
    count = times.waiting_times.size
    known = np.isfinite(times.times)
    low, high = np.where(known, times.low, times.shortest), np.where(known, times.high, times.longest)
    return (
        [name] * count,
        [times.threshold] * count,
        times.waiting_times.tolist(),
        times.times.tolist(),
        low.tolist(),
        high.tolist(),
        [state or "no" for state in times.state],
        ["yes" if entry else "no" for entry in times.used.tolist()],
    )


def _scales(shown: list[MovingTimes]) -> dict[str, Any]:
    waiting = [time for times in shown for time in times.waiting_times.tolist()]
    # As far as the bars reach, but one without end would leave no room for the others.
    bars = [
        part
        for times in shown
        for part in (np.maximum(times.low, times.times / 2), np.minimum(times.high, times.times * 2))
    ]
    heights = (
        [times.times for times in shown]
        + bars
        + [
            end[[state == kind for state in times.state]]
            for times in shown
            for kind, end in (("longer", times.shortest), ("shorter", times.longest))
        ]
    )
    return {
        "xaxis": logarithmic(waiting, room=1.2) | _POWERS,
        "yaxis": logarithmic(np.concatenate([np.zeros(0), *heights]), room=1.6) | _POWERS,
    }


def _conclusion(
    found: Mapping[str, tuple[DisplacementTable, Aging]], shown: list[MovingTimes], refused: list[str]
) -> str:
    if len(found) == 1 and not refused:
        aging = next(iter(found.values()))[1]
        return f"{aging.verdict.text.removesuffix('.')}.{_left(shown)}"
    said = [
        _law_text(name, aging.exponent, aging)
        for name, (_, aging) in found.items()
        if aging.exponent is not None
    ]
    laws = f"Exponents μ of t* ~ t_w^μ: {'; '.join(said)}." if said else ""
    return " ".join(part for part in (laws, *refused) if part) + _left(shown) or "No table was given."


def _law_text(name: str, exponent: Estimate, aging: Aging) -> str:
    window = f"t_w {aging.waiting_times[0]}…{aging.waiting_times[-1]}"
    thresholds = "…".join(dict.fromkeys(map(short_number, aging.thresholds)))
    return f"{name}: {number_text(exponent)}, {window}, Δ* {thresholds}"


def _left(shown: list[MovingTimes]) -> str:
    states = [state for times in shown for state in times.state if state]
    if not states:
        return ""
    return f" {len(states)} {'time is' if len(states) == 1 else 'times are'} beyond the lags measured: triangles."
