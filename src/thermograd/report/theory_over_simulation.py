"""Order parameters, loss and error against time: bands of theory, points of simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate, Prediction
from thermograd.report.figure import Figure, spaced
from thermograd.report.look import banded, error_bars, points, stacked

Array = npt.NDArray[Any]

_MARKS = 12


@dataclass(frozen=True, eq=False)
class Course:
    """How quantities of one setting go on, by the same names.

    Attributes:
        predicted: curves with `at` in steps.
        measured: curves of as many points as `times` has, or nothing.
        times: of the measured curves, steps.
    """

    predicted: Mapping[str, Prediction]
    measured: Mapping[str, Estimate]
    times: Array


def theory_over_simulation(
    courses: Mapping[str, Course], axes: Mapping[str, str], *, what: str = ""
) -> Figure:
    """A panel for each quantity over one axis of time.

    Args:
        courses: by the name of the setting.
        axes: name of the quantity -> title of its axis, from the top.
        what: what was trained, for the title.

    Returns:
        Lines with bands of theory, and up to 12 points with intervals of each simulated curve.
    """
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("setting", "quantity", "step", "theory", "simulation", "from", "to")
    }
    worst: tuple[float, str] = (0.0, "")
    for row, quantity in enumerate(reversed(list(axes))):
        panel = "y" if row == 0 else f"y{row + 1}"
        legend = row == len(axes) - 1
        for place, (name, course) in enumerate(courses.items()):
            theory = course.predicted[quantity]
            traces += _curve(theory, name, place, panel, legend=legend)
            if quantity not in course.measured:
                continue
            traces.append(_marks(course, quantity, name, place, panel, legend=legend))
            away = _table(table, course, quantity, name)
            worst = max(worst, (away, f"{axes[quantity]} of {name}"))
    drawing = stacked(
        "time (steps)",
        [(title, 1.0) for title in axes.values()],
        gap=0.04,
        height=180 * len(axes) + 80,
        hovermode="closest",
    )
    said = (
        f"Simulation and theory differ by at most {worst[0]:.2g} half-widths of their intervals, added in squares ({worst[1]})."
        if worst[1]
        else "Theory alone."
    )
    return Figure(
        stem="effective_temperature",
        name="theory_over_simulation",
        title=f"Training against time, theory over simulation{', ' * bool(what)}{what}",
        conclusion=said,
        traces=tuple(traces),
        layout=drawing,
        table=table,
    )


def _curve(theory: Prediction, name: str, place: int, panel: str, *, legend: bool) -> list[dict[str, Any]]:
    value = np.asarray(theory.value, float)
    low, high = theory.interval or (np.full_like(value, np.nan),) * 2
    drawn = banded(theory.at, value, low, high, name, place, yaxis=panel)
    drawn[-1]["line"]["width"] = 1.5
    return drawn if legend else [trace | {"showlegend": False} for trace in drawn]


def _marks(
    course: Course, quantity: str, name: str, place: int, panel: str, *, legend: bool
) -> dict[str, Any]:
    found = course.measured[quantity]
    chosen = spaced(len(course.times), _MARKS)
    value, low, high = (np.asarray(part, float)[chosen] for part in (found.value, found.low, found.high))
    mark = points(
        np.asarray(course.times)[chosen],
        value,
        f"{name}, simulation",
        place,
        yaxis=panel,
        legendgroup=name,
        showlegend=legend,
    )
    mark["marker"] |= {"size": 6}
    mark["error_y"] = error_bars(value, low, high)
    return mark


def _table(table: dict[str, list[Any]], course: Course, quantity: str, name: str) -> float:
    """Adds the rows of one simulated curve; its largest distance from theory in half-widths of both intervals."""
    found, theory = course.measured[quantity], course.predicted[quantity]
    expected = np.interp(course.times, np.asarray(theory.at), np.asarray(theory.value))
    count = len(course.times)
    columns = (
        [name] * count,
        [quantity] * count,
        np.asarray(course.times).tolist(),
        expected.tolist(),
        *(np.asarray(part, float).tolist() for part in (found.value, found.low, found.high)),
    )
    for key, column in zip(table, columns, strict=True):
        table[key] += column
    half = (np.asarray(found.high) - np.asarray(found.low)) / 2
    if theory.interval is not None:
        own = (np.asarray(theory.interval[1]) - np.asarray(theory.interval[0])) / 2
        half = np.hypot(half, np.interp(course.times, np.asarray(theory.at), own))
    away = np.abs(np.asarray(found.value) - expected)
    known = half > 1e-12
    return float((away[known] / half[known]).max()) if known.any() else 0.0
