"""How far the weights move from a waiting time on, against the lag: one curve a waiting time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import number
from thermograd.estimators.displacement_curves import DisplacementCurves, Window
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.short_number import short_number
from thermograd.estimators.trajectory_pieces import student
from thermograd.report.colour_scale import colour_bar, shades
from thermograd.report.figure import Figure
from thermograd.report.look import INK, band, layout, line, logarithmic, style
from thermograd.report.measured_displacement import AXES, measured_displacement, standard_error

Array = npt.NDArray[Any]

_LEVEL = 0.95
_POWERS = {"exponentformat": "power", "tickformat": ""}


def two_time_displacement(
    table: DisplacementTable,
    *,
    group: int | str = 0,
    per: str = "parameter",
    waiting: Window | None = None,
    thresholds: tuple[float, float] | None = None,
    what: str = "",
) -> Figure:
    """Mean displacement Δ against lag, both logarithmic, a curve for every waiting time, coloured by its logarithm.

    Args:
        table: of displacements.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        waiting: first and last waiting time shown, either None.
        thresholds: lowest and highest Δ* of the exponent, drawn as a band; None for none.
        what: what was trained, for the title.

    Returns:
        Curves of the mean over trajectories, and the largest displacement of one step: a threshold below it is passed
        at once from some waiting time on, by the noise of that step. Lags not measured, and displacements of 0, are no
        points.

    Raises:
        ConfigError: a ValueError: an unknown group, or a word that `per` does not know.
    """
    place = table.place(group)
    curves = measured_displacement(table, group=group, per=per, waiting=waiting)
    of_group = f" of {table.groups[place]}" if place else ""
    name = f"two_time_displacement{of_group}".replace(" ", "_")
    title = f"Displacement{of_group} against the lag, from every waiting time on{', ' * bool(what)}{what}"
    if isinstance(curves, str):
        return Figure("aging", name, title, curves, (), layout("lag t (steps)", AXES[per]), {})
    lags = np.broadcast_to(curves.lags, curves.mean.shape)
    return Figure(
        stem="aging",
        name=name,
        title=title,
        conclusion=slowing(curves),
        traces=(
            *_levels(curves, thresholds),
            *curve_traces(curves, lags),
            *colour_bar(curves.waiting_times, "t_w (steps)"),
        ),
        layout=layout("lag t (steps)", AXES[per], hovermode="closest", **_scales(curves, thresholds)),
        table=_table(curves, per),
    )


def curve_traces(curves: DisplacementCurves, x: Array, **more: Any) -> list[dict[str, Any]]:
    """A line for each waiting time, coloured by it, over abscissas `(W, L)`; what was not measured is left out."""
    traces = []
    for place, (waiting, colour) in enumerate(
        zip(curves.waiting_times.tolist(), shades(curves.waiting_times), strict=True)
    ):
        value = curves.mean[place]
        known = value > 0
        curve = line(x[place][known], value[known], f"t_w = {waiting}", colour, showlegend=False, **more)
        curve["line"]["width"] = 1.5
        curve["hovertemplate"] = f"t_w = {waiting}<br>t = %{{x:.4~g}}<br>Δ = %{{y:.3~g}}<extra></extra>"
        traces.append(curve)
    return traces


def slowing(curves: DisplacementCurves) -> str:
    """How much shorter the way of the same many steps is from the last waiting time on than from the first."""
    measured = np.isfinite(curves.mean) & (curves.mean > 0)
    places = np.flatnonzero(measured[[0, -1]].all(axis=0))
    if curves.waiting_times.size < 2 or not places.size:
        return f"Displacements of {curves.said()} from {_ages(curves)}; no lag was measured at two waiting times."
    place = int(places[places.size // 2])
    first, last = curves.each[:, 0, place], curves.each[:, -1, place]
    ratio = float(first.mean() / last.mean())
    start = f"Over {curves.lags[place]} steps the weights move"
    since = f"from step {curves.waiting_times[-1]} on than from step {curves.waiting_times[0]} on"
    interval, decided = _interval(first / first.mean() - last / last.mean(), ratio)
    if not decided:
        return (
            f"{start} about as far {since.replace(' than ', ' as ')}: {_times(ratio)} the square{interval}."
        )
    which = f"{_times(ratio)} less" if ratio > 1 else f"{_times(1 / ratio)} more"
    means = f"{short_number(float(first.mean()))} before, {short_number(float(last.mean()))} after"
    return f"{start} {which} {since} in mean square{interval}: {means}."


def _interval(difference: Array, ratio: float) -> tuple[str, bool]:
    """Of the ratio of two means over the same trajectories, by the linear part of its logarithm; whether it leaves out 1."""
    if difference.size < 2:
        return " (one run)", True
    error = float(difference.std(ddof=1)) / np.sqrt(difference.size)
    reach = student(_LEVEL, difference.size) * error
    size = abs(np.log(ratio))
    low, high = (np.exp(size - reach), np.exp(size + reach))
    decided = bool(size > reach)
    low, high = (low, high) if decided else sorted((ratio * np.exp(-reach), ratio * np.exp(reach)))
    return f" ({number(low)} to {number(high)} at {100 * _LEVEL:g} %)", decided


def _times(ratio: float) -> str:
    return f"{number(ratio)} times"


def _ages(curves: DisplacementCurves) -> str:
    ages = curves.waiting_times
    return f"waiting time {ages[0]} on" if ages.size == 1 else f"waiting times {ages[0]} to {ages[-1]} on"


def _one_step(curves: DisplacementCurves) -> float:
    """The largest displacement over a lag of one step; NaN if that lag was not measured."""
    if not curves.lags.size or curves.lags[0] != 1 or not np.isfinite(curves.mean[:, 0]).any():
        return float("nan")
    return float(np.nanmax(curves.mean[:, 0]))


def _levels(curves: DisplacementCurves, thresholds: tuple[float, float] | None) -> list[dict[str, Any]]:
    ends = curves.lags[np.isfinite(curves.mean).any(axis=0)][[0, -1]]
    traces: list[dict[str, Any]] = []
    if thresholds is not None and np.isfinite(thresholds).all():
        low, high = thresholds
        said = "…".join(dict.fromkeys(map(short_number, (low, high))))
        if low < high:
            traces += band(ends, [low, low], [high, high], f"thresholds Δ* {said}", style(2).colour)
        else:
            traces.append(line(ends, [low, low], f"threshold Δ* {said}", style(2).colour, "dash"))
    step = _one_step(curves)
    if step > 0:
        traces.append(line(ends, [step, step], "largest Δ of one step", INK, "dot"))
    return traces


def _scales(curves: DisplacementCurves, thresholds: tuple[float, float] | None) -> dict[str, Any]:
    shown = curves.lags[np.isfinite(curves.mean).any(axis=0)]
    heights = [*curves.mean[curves.mean > 0], *(thresholds or ())]
    return {
        "xaxis": logarithmic(shown, room=1.1) | _POWERS,
        "yaxis": logarithmic(heights) | _POWERS,
    }


def _table(curves: DisplacementCurves, per: str) -> dict[str, list[Any]]:
    rows, columns = np.nonzero(np.isfinite(curves.mean))
    return {
        "waiting time (steps)": curves.waiting_times[rows].tolist(),
        "lag (steps)": curves.lags[columns].tolist(),
        AXES[per]: curves.mean[rows, columns].tolist(),
        "standard error": standard_error(curves)[rows, columns].tolist(),
        "trajectories": [curves.trajectories] * rows.size,
    }
