"""How far samplers are from the posterior against the learning rate: a continuous theory beside the algorithms themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.figure import Figure, escaped, numbers
from thermograd.report.look import INK, error_bars, layout, line, logarithmic, points, style, transparent

Array = npt.NDArray[Any]

_GREY = "#808080"


@dataclass(frozen=True, eq=False)
class Divergences:
    """Kullback-Leibler divergences from the posterior in bits.

    Attributes:
        rates: learning rates η of both theories, ascending, `(rate,)`.
        continuous: name -> divergence by the continuous theory, `(rate,)`; NaN where there is no stationary state.
        exact: name -> divergence by the exact moments of the algorithm, `(rate,)`; NaN likewise.
        slopes: of the continuous curves in the limit of small rates, by name.
        exact_slopes: of the algorithms, by name.
        simulated: (name, η, measured divergence).
        floor: below it the simulation cannot tell a divergence from 0; None without simulation.
    """

    rates: Array
    continuous: Mapping[str, Array]
    exact: Mapping[str, Array]
    slopes: Mapping[str, float]
    exact_slopes: Mapping[str, float]
    simulated: Sequence[tuple[str, float, Estimate]] = ()
    floor: float | None = None


def sampler_divergence(found: Divergences) -> Figure:
    """Two panels over the same axes: continuous theory on the left, algorithms on the right.

    Args:
        found: the divergences.

    Returns:
        Lines, both axes logarithmic. On the right markers are simulated, with their intervals; a triangle that points down is the upper end
        of an interval that reaches 0, and the grey area is what the simulation does not resolve.
    """
    traces: list[dict[str, Any]] = []
    places = {name: place for place, name in enumerate(found.exact)}
    for name, values in found.continuous.items():
        colour, dash, _ = style(places[name])
        traces.append(line(found.rates, values, name, colour, dash, legendgroup=name, showlegend=False))
    for name, values in found.exact.items():
        colour, dash, _ = style(places[name])
        traces.append(line(found.rates, values, name, colour, dash, legendgroup=name, xaxis="x2", yaxis="y2"))
    if found.floor is not None:
        traces.append(_not_resolved(found.rates, found.floor))
    traces += _simulated(found, places)
    return Figure(
        stem="posterior",
        name="divergence",
        title="Divergence from the posterior: the paper's continuous theory, and the algorithms",
        conclusion=_conclusion(found),
        traces=tuple(traces),
        layout=_panels(found),
        table=_table(found),
    )


def _panels(found: Divergences) -> dict[str, Any]:
    everything = [
        values[np.isfinite(values)] for part in (found.continuous, found.exact) for values in part.values()
    ]
    across = logarithmic(found.rates, room=1.2) | {"exponentformat": "power", "tickformat": "", "dtick": 1}
    upwards = logarithmic(np.concatenate(everything), room=3) | {
        "exponentformat": "power",
        "tickformat": "",
        "dtick": 3,
    }
    drawing = layout(
        "learning rate η", "divergence (bits)", hovermode="closest", xaxis=across, yaxis=upwards, height=520
    )
    drawing["xaxis"]["domain"] = [0, 0.45]
    drawing["xaxis2"] = {**drawing["xaxis"], "domain": [0.55, 1], "anchor": "y2"}
    drawing["yaxis2"] = {
        **drawing["yaxis"],
        "anchor": "x2",
        "showticklabels": False,
        "title": {"text": ""},
        "matches": "y",
    }
    drawing["annotations"] = [
        {
            "text": escaped(text),
            "xref": "paper",
            "yref": "paper",
            "x": x,
            "y": 0.02,
            "xanchor": "right",
            "yanchor": "bottom",
            "showarrow": False,
        }
        for text, x in (("continuous theory", 0.44), ("algorithms, exactly", 0.99))
    ]
    return drawing


def _not_resolved(rates: Array, floor: float) -> dict[str, Any]:
    """From the floor down to where the axis ends."""
    edge = line(
        [rates[0], rates[-1]],
        [floor, floor],
        "not resolved by the simulation",
        _GREY,
        hoverinfo="skip",
        xaxis="x2",
        yaxis="y2",
    )
    edge["line"]["width"] = 0
    return edge | {"fill": "tozeroy", "fillcolor": transparent(_GREY, 0.18)}


def _simulated(found: Divergences, places: Mapping[str, int]) -> list[dict[str, Any]]:
    traces = []
    axes = {"xaxis": "x2", "yaxis": "y2"}
    for name in dict.fromkeys(entry[0] for entry in found.simulated):
        own = [(rate, value) for other, rate, value in found.simulated if other == name]
        seen = [(rate, value) for rate, value in own if value.low > 0]
        mark = points(
            [rate for rate, _ in seen],
            [value.value for _, value in seen],
            f"{name}, simulated",
            places[name],
            legendgroup=name,
            showlegend=False,
            **axes,
        )
        ends = np.array([[value.value, value.low, value.high] for _, value in seen]).reshape(-1, 3).T
        mark["error_y"] = error_bars(*ends)
        traces.append(mark)
        limits = [(rate, value.high) for rate, value in own if value.low <= 0 < value.high]
        if limits:
            rates, highs = zip(*limits, strict=True)
            bound = points(rates, highs, f"{name}, at most", places[name])
            bound["marker"]["symbol"] = "triangle-down-open"
            traces.append(bound | {"legendgroup": name, "showlegend": False, **axes})
    if found.simulated:
        marks = {"symbol": "circle", "size": 9, "color": INK}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [None],
                "y": [None],
                "name": "simulated; ▽ upper end of an interval that reaches 0",
                "marker": marks,
                **axes,
            }
        )
    return traces


def _conclusion(found: Divergences) -> str:
    theory, algorithms = (
        ", ".join(f"{name} {slope:.2f}" for name, slope in slopes.items())
        for slopes in (found.slopes, found.exact_slopes)
    )
    text = (
        f"Powers of the learning rate by the continuous theory: {theory}. By the exact moments: {algorithms}."
    )
    inside = [
        low.low <= _at(found, name, rate) <= low.high
        for name, rate, low in found.simulated
        if np.isfinite(_at(found, name, rate))
    ]
    if inside:
        text += f" Of {len(inside)} simulated divergences {sum(inside)} agree with the exact moments of their algorithm."
    return text


def _at(found: Divergences, name: str, rate: float) -> float:
    """The exact divergence at the nearest of the rates."""
    place = int(np.abs(np.log(found.rates / rate)).argmin())
    return float(found.exact[name][place])


def _table(found: Divergences) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {
        key: [] for key in ("what", "sampler", "η", "divergence (bits)", "from", "to")
    }

    def add(*cells: Any) -> None:
        for key, cell in zip(table, cells, strict=True):
            table[key].append(cell)

    for what, curves in (("continuous theory", found.continuous), ("exact moments", found.exact)):
        for name, values in curves.items():
            for rate, value in zip(found.rates.tolist(), numbers(values), strict=True):
                add(what, name, rate, value, None, None)
    for name, rate, measured in found.simulated:
        add("simulated", name, rate, float(measured.value), float(measured.low), float(measured.high))
    return table
