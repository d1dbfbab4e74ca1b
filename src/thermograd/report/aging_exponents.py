"""Exponents of aging: against a number that the networks differ in, and against the threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.aging import Aging
from thermograd.estimators.short_number import short_number
from thermograd.estimators.trajectory_pieces import student
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure, escaped
from thermograd.report.look import band, error_bars, layout, line, logarithmic, points, style
from thermograd.report.ranking import number_text
from thermograd.report.weighted_mean import WeightedMean, weighted_mean

Array = npt.NDArray[Any]

_AGREE = 0.05
_EXPONENT = "exponent μ of t* ~ t_w^μ"
_POWERS = {"exponentformat": "power", "tickformat": ""}


def aging_exponents(
    found: Mapping[Any, Estimate],
    *,
    quantity: str = "setting",
    published: Estimate | None = None,
    what: str = "",
) -> Figure:
    """Exponents with their intervals, one for each number or name, with their weighted mean and a published value.

    Args:
        found: a number that the settings differ in, as parameters per sample, or their names -> exponent.
        quantity: what the numbers are, for the axis.
        published: a value to compare with, with its interval.
        what: what was trained, for the title.

    Returns:
        Markers with error bars; the mean and the published value as lines with their bands.
    """
    names = list(found)
    numeric = all(isinstance(name, int | float) for name in names)
    place = np.array([float(name) for name in names] if numeric else np.arange(len(names)), float)
    value, low, high = (np.array([float(getattr(found[name], end)) for name in names]) for end in _ENDS)
    together = weighted_mean(list(found.values()))
    traces: list[dict[str, Any]] = []
    if names:
        room = 0.08 * float(np.ptp(place)) or 0.5
        ends = np.array([place.min() - room, place.max() + room])
        if published is not None:
            traces += _level(ends, published, f"published {published.value:g}", 1)
        if np.isfinite(together.mean.value):
            traces += _level(ends, together.mean, "weighted mean, 95 %", 2)
    mark = points(place, value, "exponent", 0)
    mark["error_y"] = {**error_bars(value, low, high), "color": style(0).colour}
    axis: dict[str, Any] = {} if numeric else _named(names)
    return Figure(
        stem="aging",
        name="aging_exponents",
        title=f"Exponent of aging against {quantity}{', ' * bool(what)}{what}",
        conclusion=_together(together, published),
        traces=(*traces, *([mark] if names else [])),
        layout=layout(quantity, _EXPONENT, hovermode="closest", xaxis=axis),
        table={
            quantity: names,
            "exponent μ": value.tolist(),
            "from": low.tolist(),
            "to": high.tolist(),
            "pieces": [float(entry.pieces) for entry in found.values()],
            "note": [entry.note for entry in found.values()],
        },
    )


def exponent_against_threshold(
    found: Aging, *, stable: tuple[float, float] | None = None, what: str = ""
) -> Figure:
    """The exponent at every threshold alone: it is one number only where this is flat.

    Args:
        found: exponents at several thresholds; a grid given to `aging_exponent` shows more than the stable ones.
        stable: lowest and highest threshold to shade, as those of another `Aging`; None for none.
        what: what was trained, for the title.

    Returns:
        Markers with intervals at the level of the exponent; the band is the exponent of all thresholds together.
    """
    thresholds, value, deviation = found.per_threshold
    level = found.exponent.level if found.exponent else 0.95
    pieces = found.exponent.pieces if found.exponent else np.nan
    reach = student(level, pieces) * deviation if pieces >= 2 else np.full(deviation.shape, np.nan)
    low, high = value - reach, value + reach
    traces: list[dict[str, Any]] = []
    shaded = stable is not None and bool(np.isfinite(stable).all())
    if thresholds.size:
        ends = np.array([thresholds[0] / 1.15, thresholds[-1] * 1.15])
        if stable is not None and shaded:
            height = [float(np.nanmin([*low, *value, 0.0])), float(np.nanmax([*high, *value, 1.0]))]
            edges = np.array(stable) * [1 / 1.08, 1.08]
            traces += band(edges, [height[0]] * 2, [height[1]] * 2, "stable thresholds", "#7F7F7F")
        if found.exponent is not None and np.isfinite([found.exponent.low, found.exponent.high]).all():
            traces += _level(ends, found.exponent, f"all thresholds, {100 * level:g} %", 2)
        mark = points(thresholds, value, f"one threshold, {100 * level:g} %", 0)
        mark["error_y"] = {**error_bars(value, low, high), "color": style(0).colour}
        traces.append(mark)
    return Figure(
        stem="aging",
        name="exponent_against_threshold",
        title=f"Exponent of aging against the threshold{', ' * bool(what)}{what}",
        conclusion=_steadiness(found, stable if shaded else None),
        traces=tuple(traces),
        layout=layout(
            "threshold Δ*",
            _EXPONENT,
            hovermode="closest",
            xaxis=logarithmic([*thresholds, *(stable if stable is not None and shaded else ())]) | _POWERS,
        ),
        table={
            "threshold Δ*": thresholds.tolist(),
            "exponent μ": value.tolist(),
            "standard error": deviation.tolist(),
            "from": low.tolist(),
            "to": high.tolist(),
        },
    )


_ENDS = ("value", "low", "high")


def _level(ends: Array, found: Estimate, name: str, position: int) -> list[dict[str, Any]]:
    """A value along the whole axis, with its interval."""
    colour, dash, _ = style(position)
    edges = band(ends, [found.low] * 2, [found.high] * 2, name, colour, legendgroup=name)
    middle = line(ends, [found.value] * 2, name, colour, dash, legendgroup=name)
    return [*(edge | {"showlegend": False} for edge in edges), middle]


def _named(names: list[Any]) -> dict[str, Any]:
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [escaped(name).replace(", ", ",<br>") for name in names],
        "range": [-0.6, len(names) - 0.4],
    }


def _together(found: WeightedMean, published: Estimate | None) -> str:
    if not np.isfinite(found.mean.value):
        return "No exponent with an interval was given."
    count = int(found.mean.pieces)
    text = (
        f"Weighted mean of {count} {number_text(found.mean)}" if count > 1 else f"{number_text(found.mean)}"
    )
    if count > 1 and found.p_value < _AGREE:
        text += f", of exponents that differ (p = {found.p_value:.2g}, chi-square)"
    elif count > 1:
        text += f", of exponents that may be one number (p = {found.p_value:.2g}, chi-square)"
    if published is not None:
        meets = found.mean.low <= published.high and published.low <= found.mean.high
        text += f"; it {'meets' if meets else 'does not meet'} the published {number_text(published)}"
    return f"{text}."


def _steadiness(found: Aging, stable: tuple[float, float] | None) -> str:
    thresholds, value, _ = found.per_threshold
    if not thresholds.size:
        return f"{found.verdict.text.removesuffix('.')}."
    if thresholds.size == 1:
        return f"Only one threshold, {short_number(thresholds[0])}, has an exponent: {value[0]:.2f}."
    least, most = int(np.nanargmin(value)), int(np.nanargmax(value))
    text = (
        f"Over thresholds {short_number(thresholds[0])} to {short_number(thresholds[-1])} the exponent goes from "
        f"{value[least]:.2f} at {short_number(thresholds[least])} to {value[most]:.2f} at {short_number(thresholds[most])}"
    )
    window = f"waiting times {found.waiting_times[0]} to {found.waiting_times[-1]}"
    steady = "" if stable is None else f"; stable from {short_number(stable[0])} to {short_number(stable[1])}"
    return f"{text}, {window}{steady}."
