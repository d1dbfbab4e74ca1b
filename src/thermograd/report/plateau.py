"""Mean residual time against the interval of the perturbation: is it a plateau, as Eq. 9 takes it to be?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.first_passage import Plateau
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import band, error_bars, layout, line, points, round_numbers, style

Array = npt.NDArray[Any]


def plateau(
    found: Plateau, residuals: Mapping[int, Estimate], *, name: str = "", unit: str = "epoch"
) -> Figure:
    """Mean residual time against the interval P, with the plateau, its trend, and where P is shorter than it.

    Args:
        found: what the test of the plateau says.
        residuals: interval -> mean residual time, also those that the test left out.
        name: of the perturbation, for the title.
        unit: unit of the times.

    Returns:
        Error bars, open where the test left the interval out; the band of the plateau's mean; the fitted trend;
        shaded, the intervals shorter than the plateau, where the next perturbation comes too soon.
    """
    at = np.array(sorted(residuals))
    value, low, high = (
        np.array([float(getattr(residuals[interval], end)) for interval in at.tolist()])
        for end in ("value", "low", "high")
    )
    used = np.isin(at, found.intervals)
    colour = style(0).colour
    mark = points(at, value, "mean residual time", 0)
    mark["error_y"] = {**error_bars(value, low, high), "color": colour}
    mark["marker"]["symbol"] = ["circle" if entry else "circle-open" for entry in used.tolist()]
    kind = " of the perturbation" if not name else f" of {name}"
    return Figure(
        stem="first_passage",
        name=f"plateau_{name}".replace(" ", "_") if name else "plateau",
        title=f"Mean residual time against the interval{kind}",
        conclusion=f"{found.verdict.text[0].upper()}{found.verdict.text[1:].removesuffix('.')}.",
        traces=(*_too_short(found, at, high), *_plateau_traces(found), mark),
        layout=layout(
            f"interval of the perturbation ({unit}s)",
            f"mean residual time ({unit}s)",
            hovermode="closest",
            **_scales(at, high),
        ),
        table={
            f"interval ({unit}s)": at.tolist(),
            f"mean residual time ({unit}s)": value.tolist(),
            "95 % from": low.tolist(),
            "to": high.tolist(),
            "runs": [float(residuals[interval].pieces) for interval in at.tolist()],
            "in the test": ["yes" if entry else "no" for entry in used.tolist()],
        },
    )


def _plateau_traces(found: Plateau) -> list[dict[str, Any]]:
    if not len(found.intervals):
        return []
    ends = np.array([min(found.intervals), max(found.intervals)], float)
    mean, other = found.mean, style(1)
    traces = [
        *band(ends, [mean.low] * 2, [mean.high] * 2, "plateau, 95 %", other.colour),
        line(ends, [mean.value] * 2, "plateau", other.colour, other.dash),
    ]
    if len(found.intervals) < 2:
        return traces
    # A weighted straight line passes through the weighted means.
    centre = float(np.average(np.log10(np.array(found.intervals)), weights=found.standard_errors**-2.0))
    curve = np.geomspace(ends[0], ends[1], 25)
    bent = mean.value * (1 + found.trend.value * (np.log10(curve) - centre))
    return [*traces, line(curve, bent, "trend", style(2).colour, style(2).dash)]


def _too_short(found: Plateau, at: Array, high: Array) -> list[dict[str, Any]]:
    """The intervals shorter than the plateau, shaded from top to bottom."""
    first, last, top = _edges(at, high)
    end = min(float(found.mean.value), last) if found.intervals else 0.0
    if end <= first:
        return []
    return band([first, end], [0, 0], [top, top], "shorter than the plateau", "#7F7F7F")


def _edges(at: Array, high: Array) -> tuple[float, float, float]:
    return 0.8 * float(at.min()), 1.25 * float(at.max()), 1.08 * float(np.max(high))


def _scales(at: Array, high: Array) -> dict[str, Any]:
    first, last, top = _edges(at, high)
    ticks = [tick for tick in round_numbers(int(last)) if tick >= first]
    ticks = ticks if len(ticks) > 2 else at.tolist()
    return {
        "xaxis": {
            "type": "log",
            "range": [float(np.log10(first)), float(np.log10(last))],
            "tickvals": ticks,
            "ticktext": [f"{tick:g}" for tick in ticks],
        },
        "yaxis": {"range": [0, top]},
    }
