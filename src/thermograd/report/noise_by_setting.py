"""Temperature and replica distance against what makes the noise: batch fraction, learning rate, persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate, Prediction
from thermograd.report.figure import Figure
from thermograd.report.look import banded, error_bars, logarithmic, points, stacked

Array = npt.NDArray[Any]

_QUANTITIES = (
    ("temperature", "temperature", "y2"),
    ("distance", "replica distance", "y"),
)

_FEW = 8
"""Settings up to which each has a tick."""


@dataclass(frozen=True, eq=False)
class NoiseSeries:
    """Settings that differ in one number.

    Attributes:
        name: of what they share, "SGD".
        settings: the numbers, ascending.
        temperature: predicted, one a setting; None where there is none.
        distance: predicted, likewise.
        measured_temperature: simulated, one a setting or None; empty for no simulation.
        measured_distance: likewise.
    """

    name: str
    settings: Sequence[float]
    temperature: Sequence[Estimate | Prediction | None]
    distance: Sequence[Estimate | Prediction | None]
    measured_temperature: Sequence[Estimate | None] = ()
    measured_distance: Sequence[Estimate | None] = ()


def noise_by_setting(series: Sequence[NoiseSeries], axis: str, *, what: str = "") -> Figure:
    """Above the temperature, below the replica distance: lines and bands of theory, points of simulation.

    Args:
        series: one line each.
        axis: what the settings are, with its unit: "batch fraction b".
        what: what was trained, for the title.

    Returns:
        Two panels over one axis, all logarithmic; temperatures in units of the loss, distances per parameter.
    """
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("series", axis, "quantity", "source", "value", "from", "to")
    }
    heights: dict[str, list[float]] = {name: [] for name, _, _ in _QUANTITIES}
    for place, one in enumerate(series):
        drawn: list[dict[str, Any]] = []
        for quantity, _, panel in _QUANTITIES:
            theory = _columns(getattr(one, quantity))
            measured = _columns(getattr(one, f"measured_{quantity}") or [None] * len(one.settings))
            drawn += _drawn(one, theory, measured, place, panel)
            for source, columns in (("theory", theory), ("simulation", measured)):
                for setting, *numbers in zip(one.settings, *columns, strict=True):
                    if np.isfinite(numbers[0]):
                        cells = (one.name, setting, quantity, source, *map(_cell, numbers))
                        for key, cell in zip(table, cells, strict=True):
                            table[key].append(cell)
            heights[quantity] += [*theory[0].tolist(), *measured[0].tolist()]
        traces += _each_name_once(drawn)
    drawing = stacked(
        axis, [(title, 1.0) for _, title, _ in _QUANTITIES], gap=0.08, height=560, hovermode="closest"
    )
    settings = sorted({float(setting) for one in series for setting in one.settings})
    drawing["xaxis"] |= logarithmic(settings, room=1.2)
    if len(settings) <= _FEW:
        drawing["xaxis"].pop("dtick", None)
        drawing["xaxis"] |= {"tickvals": settings, "ticktext": [f"{setting:.3g}" for setting in settings]}
    for quantity, _, panel in _QUANTITIES:
        drawing[panel.replace("y", "yaxis")] |= logarithmic(heights[quantity], room=1.6)
    return Figure(
        stem="effective_temperature",
        name=f"noise_by_{_word(axis).replace(' ', '_')}",
        title=f"Temperature and replica distance against {_word(axis)}{', ' * bool(what)}{what}",
        conclusion=_conclusion(series, axis),
        traces=tuple(traces),
        layout=drawing,
        table=table,
    )


def _columns(given: Sequence[Estimate | Prediction | None]) -> tuple[Array, Array, Array]:
    """Value, low and high; NaN where there is none."""
    rows = [
        (np.nan,) * 3
        if one is None
        else (float(one.value), *(map(float, one.interval) if one.interval else (np.nan,) * 2))
        for one in given
    ]
    value, low, high = np.array(rows, float).reshape(-1, 3).T
    return value, low, high


def _drawn(
    one: NoiseSeries,
    theory: tuple[Array, Array, Array],
    measured: tuple[Array, Array, Array],
    place: int,
    panel: str,
) -> list[dict[str, Any]]:
    settings = np.asarray(one.settings, float)
    value, low, high = theory
    low = np.where(low > 0, low, value / 2)  # of a logarithmic axis
    curve = banded(settings, value, low, high, one.name, place, yaxis=panel)
    curve[-1] |= {"mode": "lines+markers", "marker": {"size": 4}}
    known = np.isfinite(measured[0])
    if not known.any():
        return curve
    mark = points(
        settings[known],
        measured[0][known],
        f"{one.name}, simulation",
        place,
        legendgroup=one.name,
        yaxis=panel,
    )
    mark["error_y"] = error_bars(*(column[known] for column in measured))
    return [*curve, mark]


def _each_name_once(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Curves and points in both panels have one entry in the legend."""
    known: set[str] = set()
    for trace in drawn:
        if trace.get("showlegend", True):
            trace["showlegend"] = trace["name"] not in known
            known.add(trace["name"])
    return drawn


def _conclusion(series: Sequence[NoiseSeries], axis: str) -> str:
    said = []
    for one in series:
        for quantity, _, _ in _QUANTITIES:
            value = _columns(getattr(one, quantity))[0]
            known = np.flatnonzero(np.isfinite(value) & (value > 0))
            if known.size > 1:
                first, last = known[[0, -1]]
                said.append(
                    f"{one.name}: {quantity} {value[first]:.3g} to {value[last]:.3g} from "
                    f"{one.settings[first]:.3g} to {one.settings[last]:.3g}"
                )
    return f"Along the {_word(axis)}, in theory: {'; '.join(said) or 'too few points'}."


def _word(axis: str) -> str:
    """Without unit and symbol."""
    return axis.split(" (")[0].rsplit(" ", 1)[0]


def _cell(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
