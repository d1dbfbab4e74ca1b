"""`Figure`: one drawing with its title, the sentence it supports, and the numbers behind it."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermograd.store.printable import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, eq=False)
class Figure:
    """What one figure function returns; the page, and `.plot()`, show the same.

    Attributes:
        stem: the file of the figure functions it belongs to, `first_passage`.
        name: what it is called inside that file, unique on a page, used for file names.
        title: heading, plain text.
        conclusion: the sentence to take away, generated from the numbers, plain text.
        traces: plotly traces, JSON types only; text in them is already escaped with `escaped`.
        layout: plotly layout, JSON types only.
        table: column heading with unit -> its cells; the numbers of the drawing.

    >>> curve = {"x": [1, 2, 3], "y": [0.5, 0.4, 0.3]}
    >>> numbers = {"epoch": curve["x"], "loss": curve["y"]}
    >>> drawn = Figure("ensemble", "loss", "Loss", "It falls.", (curve,), {}, numbers)
    >>> print(drawn.thinned(2).csv())
    epoch,loss
    1,0.5
    3,0.3
    """

    stem: str
    name: str
    title: str
    conclusion: str
    traces: tuple[dict[str, Any], ...]
    layout: Mapping[str, Any]
    table: Mapping[str, Sequence[Any]]

    @property
    def points(self) -> int:
        """Number of points of the longest trace or column."""
        lengths = [len(trace.get("x", ())) for trace in self.traces]
        return max([0, *lengths, *(len(column) for column in self.table.values())])

    def thinned(self, points: int) -> Figure:
        """The same with at most `points` points a trace and rows a column; first and last are kept."""
        traces = tuple(_thinned_trace(trace, points) for trace in self.traces)
        table = {name: _thinned(column, points) for name, column in self.table.items()}
        return replace(self, traces=traces, table=table)

    def csv(self) -> str:
        """The table as comma-separated values, safe to open in a spreadsheet."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([csv_cell(name) for name in self.table])
        writer.writerows([csv_cell(cell) for cell in row] for row in self.rows())
        return text.getvalue()

    def rows(self) -> list[tuple[Any, ...]]:
        """The table row by row."""
        return list(zip(*self.table.values(), strict=True))


def escaped(text: object) -> str:
    """Text for plotly, which interprets a subset of HTML in titles, names and labels.

    >>> escaped("<b>kick</b> & run")
    '&lt;b&gt;kick&lt;/b&gt; &amp; run'
    """
    return html.escape(printable(text), quote=False)


def csv_cell(value: object) -> str:
    """One cell; text that a spreadsheet would take for a formula gets a leading apostrophe.

    >>> [csv_cell(cell) for cell in ("=1+1", "-0.5", -0.5, "", None, 1e-7)]
    ["'=1+1", '-0.5', '-0.5', '', '', '1e-07']
    """
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    text = str(value)
    if text.startswith(_FORMULA) and not _is_number(text):
        return "'" + text
    return text


def numbers(values: Any) -> list[float | None]:
    """An array as a JSON list: seven significant digits, None where it is not finite.

    >>> numbers([1 / 3, float("nan"), 2])
    [0.3333333, None, 2.0]
    """
    return [
        float(f"{value:.7g}") if math.isfinite(value) else None
        for value in np.asarray(values, float).tolist()
    ]


def spaced(length: int, points: int) -> list[int]:
    """At most `points` positions of `length`, evenly spaced, first and last among them.

    >>> spaced(10, 4), spaced(3, 4)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if length <= points:
        return list(range(length))
    return [int(place) for place in np.unique(np.linspace(0, length - 1, points).round())]


def _thinned(cells: Sequence[Any], points: int) -> list[Any]:
    return [cells[position] for position in spaced(len(cells), points)]


def _thinned_trace(trace: dict[str, Any], points: int) -> dict[str, Any]:
    length = len(trace.get("x", ()))

    def thin(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: thin(entry) for key, entry in value.items()}
        return _thinned(value, points) if isinstance(value, list) and len(value) == length else value

    return trace if length <= points else {key: thin(value) for key, value in trace.items()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
