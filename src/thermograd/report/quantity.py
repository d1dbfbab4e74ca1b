"""Figures of the quantities that flow through the library, whatever they are about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from thermograd.quantities import Advice, Estimate, Prediction, Verdict
from thermograd.report.figure import Figure, escaped, numbers
from thermograd.report.look import band, error_bars, layout, line, points, style
from thermograd.report.ranking import number_text


def measured(quantity: Estimate) -> Figure:
    """An estimate: a point with its interval, a curve with its band, or a matrix as a map."""
    value = np.asarray(quantity.value, float)
    place = np.arange(value.shape[0]) if value.ndim else np.zeros(1)
    name = f"value ({quantity.unit})" if quantity.unit else "value"
    return _drawn(
        "estimate", "Estimate", str(quantity), place, value, quantity.interval, ("index", name), "solid"
    )


def predicted(quantity: Prediction) -> Figure:
    """A prediction, dashed; the points at which its assumptions hold are marked in the table."""
    value = np.asarray(quantity.value, float)
    place = np.arange(value.shape[0]) if value.ndim else np.zeros(1)
    place = place if quantity.at is None else np.atleast_1d(np.asarray(quantity.at, float))
    figure = _drawn(
        "prediction", "Prediction", str(quantity), place, value, quantity.interval, ("at", "value"), "dash"
    )
    if quantity.valid is not None and value.ndim == 1:
        holds = ["yes" if entry else "no" for entry in quantity.valid]
        return replace(figure, table={**figure.table, "assumptions hold": holds})
    return figure


def verdict(quantity: Verdict) -> Figure:
    """A verdict as a table of its evidence; there is nothing to draw against anything."""
    names = list(quantity.evidence)
    cells = [number_text(quantity.evidence[name]) for name in names]
    return _table(
        "verdict", quantity.kind.replace("_", " "), str(quantity), {"evidence": names, "value": cells}
    )


def advice(quantity: Advice) -> Figure:
    """Advice as a table of its ranking."""
    places = [str(place) for place in range(1, len(quantity.ranking) + 1)]
    cells = [str(entry) for entry in quantity.ranking]
    return _table("advice", "Advice", quantity.recommendation, {"place": places, "alternative": cells})


def _drawn(
    name: str, title: str, text: str, place: Any, value: Any, interval: Any, axes: tuple[str, str], dash: str
) -> Figure:
    colour = style(0).colour
    table = {axes[0]: np.asarray(place, float).tolist()}
    if value.ndim > 1:
        return _map(name, title, text, value)
    low, high = (
        (np.atleast_1d(value),) * 2 if interval is None else (np.atleast_1d(edge) for edge in interval)
    )
    value = np.atleast_1d(value)
    if value.size > 1:
        traces = [*band(place, low, high, "interval", colour), line(place, value, "value", colour, dash)]
    else:
        traces = [points(place, value, "value", 0, error_y=error_bars(value, low, high))]
    table |= {axes[1]: value.tolist(), "from": np.asarray(low).tolist(), "to": np.asarray(high).tolist()}
    return Figure("quantity", name, title, text, tuple(traces), layout(*axes), table)


def _map(name: str, title: str, text: str, value: Any) -> Figure:
    flat = value.reshape(value.shape[0], -1)
    trace = {"type": "heatmap", "z": [numbers(row) for row in flat], "colorscale": "Cividis"}
    table = {f"column {column}": flat[:, column].tolist() for column in range(flat.shape[1])}
    return Figure("quantity", name, title, text, (trace,), layout("column", "row"), table)


def _table(name: str, title: str, text: str, table: dict[str, list[str]]) -> Figure:
    trace = {
        "type": "table",
        "header": {"values": [escaped(heading) for heading in table], "align": "left"},
        "cells": {
            "values": [[escaped(cell) for cell in column] for column in table.values()],
            "align": "left",
        },
    }
    return Figure(
        "quantity", name, title, text, (trace,), {"margin": {"t": 24, "r": 16, "l": 16, "b": 16}}, table
    )
