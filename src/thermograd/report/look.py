"""The shared look of all figures: colours every eye can tell apart, and a second cue for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from thermograd.report.figure import escaped, numbers

INK = "#222222"
"""Stands for the colour of the text; the page replaces it by that of its theme."""
STANDOFF = 4
"""Pixels between the tick labels of a vertical axis and its title: without it, on a narrow page, one lies on the other."""


class Style(NamedTuple):
    """How one series looks; colours are those of Okabe and Ito, without the yellow."""

    colour: str
    dash: str
    marker: str


STYLES = (
    Style("#0072B2", "solid", "circle"),
    Style("#D55E00", "dash", "square"),
    Style("#009E73", "dot", "diamond"),
    Style("#CC79A7", "dashdot", "triangle-up"),
    Style("#E69F00", "longdash", "x"),
    Style("#56B4E9", "longdashdot", "cross"),
)


def style(position: int) -> Style:
    """The style of the series number `position`; after the last colour they come again with other dashes and markers.

    >>> style(0), style(6)[:2]
    (Style(colour='#0072B2', dash='solid', marker='circle'), ('#0072B2', 'dash'))
    """
    again, place = divmod(position, len(STYLES))
    other = STYLES[(place + again) % len(STYLES)]
    return Style(STYLES[place].colour, other.dash, other.marker)


def line(
    x: Any, y: Any, name: str, colour: str = INK, dash: str = "solid", shape: str = "linear", **more: Any
) -> dict[str, Any]:
    """A line trace; `name` is escaped here. `shape` "hv" draws steps."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x),
        "y": numbers(y),
        "name": escaped(name),
        "line": {"color": colour, "dash": dash, "width": 2, "shape": shape},
        **more,
    }


def band(
    x: Any, low: Any, high: Any, name: str, colour: str, shape: str = "linear", **more: Any
) -> list[dict[str, Any]]:
    """The area between two curves, in two traces; only the second has an entry in the legend."""
    edges = [line(x, edge, name, colour, shape=shape, hoverinfo="skip", **more) for edge in (low, high)]
    for edge in edges:
        edge["line"]["width"] = 0
    edges[0]["showlegend"] = False
    edges[1] |= {"fill": "tonexty", "fillcolor": transparent(colour, 0.22)}
    return edges


def points(x: Any, y: Any, name: str, position: int, **more: Any) -> dict[str, Any]:
    """A marker trace in the style of series `position`."""
    colour, _, marker = style(position)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(x),
        "y": numbers(y),
        "name": escaped(name),
        "marker": {"color": colour, "symbol": marker, "size": 9, "line": {"width": 1, "color": INK}},
        **more,
    }


def error_bars(y: Any, low: Any, high: Any) -> dict[str, Any]:
    """Asymmetric error bars around `y`."""
    up, down = numbers(np.subtract(high, y)), numbers(np.subtract(y, low))
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.5, "width": 4}


def layout(x_title: str, y_title: str, **more: Any) -> dict[str, Any]:
    """Axes with names and units, a legend below the drawing, nothing cut off. Titles are escaped here."""
    axis = {"automargin": True, "zeroline": False, "showline": True, "ticks": "outside"}
    x_axis = {**axis, "title": {"text": escaped(x_title)}, **more.pop("xaxis", {})}
    y_axis = {**axis, "title": {"text": escaped(y_title), "standoff": STANDOFF}, **more.pop("yaxis", {})}
    return {
        "xaxis": x_axis,
        "yaxis": y_axis,
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "tracegroupgap": 0,
        },
        "margin": {"t": 40, "r": 16, "l": 56, "b": 56},
        "hovermode": "x unified",
        "font": {"size": 13},
        **more,
    }


def stacked(
    x_title: str, panels: Sequence[tuple[str, float]], gap: float = 0.06, **more: Any
) -> dict[str, Any]:
    """Panels over one horizontal axis, each (axis title, relative height), from the top.

    The lowest has the axis "y", those above it "y2", "y3", ...; traces name theirs, `yaxis="y2"`.

    >>> drawing = stacked("time (steps)", [("ratio", 2.0), ("loss", 1.0)], gap=0.1)
    >>> drawing["yaxis"]["domain"], drawing["yaxis2"]["domain"]
    ([0.0, 0.3], [0.4, 1.0])
    """
    drawing = layout(x_title, "", **more)
    axis, bottom = drawing["yaxis"], 0.0
    unit = (1 - gap * (len(panels) - 1)) / sum(share for _, share in panels)
    for place, (title, share) in enumerate(reversed(panels)):
        top = bottom + share * unit
        domain = [round(bottom, 6), round(top, 6)]
        key = "yaxis" if place == 0 else f"yaxis{place + 1}"
        drawing[key] = {**axis, "title": {"text": escaped(title), "standoff": STANDOFF}, "domain": domain}
        bottom = top + gap
    return drawing


def logarithmic(values: Any, room: float = 1.4) -> dict[str, Any]:
    """A logarithmic axis around the positive ones of some values, with ticks that leave room for each other.

    >>> logarithmic([0.0, 0.1, 10.0], room=10.0)
    {'type': 'log', 'tickformat': '~g', 'range': [-2.0, 2.0], 'dtick': 1}
    """
    numbers = np.asarray(values, float).ravel()
    known = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not known.size:
        return {"type": "log"}
    low, high = float(np.log10(known.min() / room)), float(np.log10(known.max() * room))
    axis = {"type": "log", "tickformat": "~g", "range": [low, high]}
    if high - low < 0.8:
        return axis
    return axis | {"dtick": "D2" if high - low < 3.5 else 1 if high - low < 8 else 2}


def segments(*columns: Any) -> list[slice]:
    """The longest stretches in which all columns are finite; a band drawn across a gap would lie.

    >>> segments([1.0, np.nan, 2.0, 3.0])
    [slice(0, 1, None), slice(2, 4, None)]
    """
    known = np.isfinite(np.asarray(columns, float)).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    return [slice(first, last) for first, last in edges.reshape(-1, 2).tolist()]


def banded(
    x: Any, value: Any, low: Any, high: Any, name: str, position: int, **more: Any
) -> list[dict[str, Any]]:
    """A curve in the style of series `position` with its interval; both pause where a number is not defined."""
    colour, dash, _ = style(position)
    x, value, low, high = (np.asarray(column, float) for column in (x, value, low, high))
    traces: list[dict[str, Any]] = []
    for part in segments(low, high):
        edges = band(x[part], low[part], high[part], name, colour, legendgroup=name, **more)
        traces += [edge | {"showlegend": False} for edge in edges]
    return [*traces, line(x, value, name, colour, dash, legendgroup=name, **more)]


def round_numbers(horizon: int) -> list[int]:
    """1, 2, 5, 10, 20, ... up to the horizon.

    >>> round_numbers(60)
    [1, 2, 5, 10, 20, 50]
    """
    decades = range(len(str(horizon)))
    return [digit * 10**power for power in decades for digit in (1, 2, 5) if digit * 10**power <= horizon]


def transparent(colour: str, opacity: float) -> str:
    """A colour with an opacity.

    >>> transparent("#0072B2", 0.2)
    'rgba(0,114,178,0.2)'
    """
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
