"""Do the curves of all waiting times fall on one another, once the lag is measured in units of t_w^μ?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import number
from thermograd.estimators.aging import Aging, DisplacementTable
from thermograd.estimators.displacement_curves import DisplacementCurves
from thermograd.report.colour_scale import colour_bar
from thermograd.report.figure import Figure, escaped
from thermograd.report.look import band, layout, logarithmic, style
from thermograd.report.measured_displacement import AXES, measured_displacement
from thermograd.report.two_time_displacement import curve_traces

Array = npt.NDArray[Any]

_POWERS = {"exponentformat": "power", "tickformat": ""}
_GAP = 0.12


def aging_collapse(
    table: DisplacementTable,
    found: Aging,
    *,
    group: int | str = 0,
    per: str = "parameter",
    what: str = "",
) -> Figure:
    """Displacement against the lag, above, and against t/t_w^μ, below, of the waiting times that the exponent rests on.

    Args:
        table: of displacements.
        found: the exponent made from it, with the same `group` and `per`.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        what: what was trained, for the title.

    Returns:
        Two panels with the thresholds of the exponent as a band, inside which the curves should agree; the upper one
        alone if there is no exponent.

    Raises:
        ConfigError: a ValueError: an unknown group, or a word that `per` does not know.
    """
    window = (int(found.waiting_times[0]), int(found.waiting_times[-1])) if found.waiting_times.size else None
    curves = measured_displacement(table, group=group, per=per, waiting=window)
    facts: dict[str, Any] = {
        "stem": "aging",
        "name": "aging_collapse",
        "title": f"Displacement of all waiting times over one another{', ' * bool(what)}{what}",
    }
    if isinstance(curves, str):
        return Figure(
            **facts, conclusion=curves, traces=(), layout=layout("lag t (steps)", AXES[per]), table={}
        )
    lags = np.broadcast_to(curves.lags.astype(float), curves.mean.shape)
    exponent = float(found.exponent.value) if found.exponent is not None else None
    scaled = None if exponent is None else lags / np.maximum(curves.waiting_times, 1)[:, None] ** exponent
    upper = {} if scaled is None else {"xaxis": "x2", "yaxis": "y2"}
    traces = [*_thresholds(found, lags, curves, **upper), *curve_traces(curves, lags, **upper)]
    if scaled is not None:
        traces += [*_thresholds(found, scaled, curves, showlegend=False), *curve_traces(curves, scaled)]
    return Figure(
        **facts,
        conclusion=_conclusion(found),
        traces=(*traces, *colour_bar(curves.waiting_times, "t_w (steps)")),
        layout=_panels(curves, lags, scaled, exponent, per),
        table=_table(curves, scaled, per),
    )


def _thresholds(found: Aging, x: Array, curves: DisplacementCurves, **more: Any) -> list[dict[str, Any]]:
    low, high = found.thresholds
    moved = curves.mean > 0
    if not (low < high) or not moved.any():
        return []
    ends = [float(x[moved].min()), float(x[moved].max())]
    return band(ends, [low] * 2, [high] * 2, "thresholds of the exponent", style(2).colour, **more)


def _panels(
    curves: DisplacementCurves, lags: Array, scaled: Array | None, exponent: float | None, per: str
) -> dict[str, Any]:
    moved = curves.mean > 0
    upwards = logarithmic(curves.mean[moved]) | _POWERS
    across = logarithmic(lags[moved], room=1.1) | _POWERS
    if scaled is None:
        return layout("lag t (steps)", AXES[per], hovermode="closest", xaxis=across, yaxis=upwards)
    half = (1 - _GAP) / 2
    drawing = layout(
        f"t / t_w^{exponent:.2f}",
        AXES[per],
        hovermode="closest",
        height=760,
        xaxis=logarithmic(scaled[moved], room=1.1) | _POWERS,
        yaxis=upwards,
    )
    drawing["yaxis"]["domain"] = [0, half]
    drawing["yaxis2"] = {**drawing["yaxis"], "domain": [1 - half, 1], "anchor": "x2"}
    title = {"title": {"text": escaped("lag t (steps)")}}
    drawing["xaxis2"] = {**drawing["xaxis"], **across, **title, "anchor": "y2"}
    if "dtick" not in across:
        drawing["xaxis2"].pop("dtick", None)
    return drawing


def _conclusion(found: Aging) -> str:
    if found.exponent is None:
        return f"Without an exponent nothing can be scaled: {found.verdict.text.removesuffix('.')}."
    with_it, without = found.collapse, found.collapse_without
    text = (
        f"With μ = {found.exponent.value:.2f} the times to move by the thresholds scatter by {number(with_it)} in ln t* "
        f"(rms) about one law, without it by {number(without)}"
    )
    return f"{text}: {_verdict(with_it, without)}"


def _verdict(with_it: float, without: float) -> str:
    if with_it < without / 3:
        return "the curves fall on one another."
    # The exponent is fitted, so that it never makes the scatter larger.
    if with_it < 0.9 * without:
        return "the curves come closer, but do not fall on one another."
    return "scaling brings the curves hardly closer."


def _table(curves: DisplacementCurves, scaled: Array | None, per: str) -> dict[str, list[Any]]:
    rows, columns = np.nonzero(np.isfinite(curves.mean))
    units = np.full(rows.size, np.nan) if scaled is None else scaled[rows, columns]
    return {
        "waiting time (steps)": curves.waiting_times[rows].tolist(),
        "lag (steps)": curves.lags[columns].tolist(),
        "t / t_w^μ": units.tolist(),
        AXES[per]: curves.mean[rows, columns].tolist(),
    }
