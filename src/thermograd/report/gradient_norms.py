"""The norm of the gradient against training time, and its root mean square once the loss is slow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.landscape import root_mean_square
from thermograd.quantities import Estimate
from thermograd.report.band_of_runs import BandOfRuns, band_of_runs
from thermograd.report.figure import Figure
from thermograd.report.look import banded, layout, line, logarithmic, style, transparent
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]

_POWERS = {"exponentformat": "power", "tickformat": ""}


def gradient_norms(
    series: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    since: int = 10_000,
    which: str = "gradient",
    what: str = "",
) -> Figure:
    """Mean norm over trajectories, both axes logarithmic, with the band of 80 % of the trajectories.

    Args:
        series: name -> (steps `(time,)`, norms `(trajectory, time)` or `(time,)`); NaN where not recorded.
        since: step from which on the root mean square is taken.
        which: gradient, for the axis, as "minibatch gradient".
        what: what was trained, for the title.

    Returns:
        Curves without step 0, which is in the table; the root mean squares as broad lines from `since` on.

    Raises:
        ConfigError: a ValueError: shapes that do not fit.
    """
    found = {name: band_of_runs(*pair) for name, pair in series.items()}
    squares = _root_mean_squares(series, since)
    traces: list[dict[str, Any]] = []
    heading = f"rms from step {since} on"
    headings = (
        "series",
        "step",
        "mean norm",
        "a tenth of the runs below",
        "a tenth above",
        heading,
        "from",
        "to",
    )
    table: dict[str, list[Any]] = {name: [] for name in headings}
    for position, (name, entry) in enumerate(found.items()):
        traces += _curve(name, entry, squares.get(name), since, position)
        square = squares.get(name)
        ends = (
            [None] * 3 if square is None else [float(end) for end in (square.value, square.low, square.high)]
        )
        size = entry.steps.size
        cells = (
            [name] * size,
            *(column.tolist() for column in (entry.steps, entry.mean, entry.low, entry.high)),
            *([end] * size for end in ends),
        )
        for title, column in zip(headings, cells, strict=True):
            table[title] += column
    steps = np.array(table["step"], float)
    heights = np.array([*table["a tenth of the runs below"], *table["a tenth above"]], float)
    return Figure(
        stem="landscape",
        name=f"gradient_norms_{which}".replace(" ", "_"),
        title=f"Norm of the {which} against training time{', ' * bool(what)}{what}",
        conclusion=_conclusion(found, squares, since, which),
        traces=tuple(traces),
        layout=layout(
            "time (optimiser steps)",
            f"norm of the {which}",
            hovermode="closest",
            xaxis=logarithmic(steps, room=1.1) | _POWERS,
            yaxis=logarithmic(heights) | _POWERS,
        ),
        table=table,
    )


def _root_mean_squares(
    series: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], since: int
) -> dict[str, Estimate]:
    """Of those that were recorded so late."""
    found = {}
    for name, (steps, norms) in series.items():
        late = np.atleast_2d(np.asarray(norms, float))[:, np.asarray(steps) >= since]
        if late[np.isfinite(late).all(axis=1)].size > 1:
            found[name] = root_mean_square(norms, steps, since)
    return found


def _curve(
    name: str, entry: BandOfRuns, square: Estimate | None, since: int, position: int
) -> list[dict[str, Any]]:
    later = (entry.steps > 0) & (entry.mean > 0)
    if not later.any():
        return []
    at, mean, low, high = (column[later] for column in (entry.steps, entry.mean, entry.low, entry.high))
    traces = banded(at, mean, low, high, name, position)
    last = float(entry.steps[later].max())
    if square is not None and last > since:
        colour = style(position).colour
        level = line([since, last], [square.value] * 2, f"{name}, rms", transparent(colour, 0.45))
        level["line"]["width"] = 8
        traces.append(level | {"legendgroup": name, "showlegend": False})
    return traces


def _conclusion(
    found: Mapping[str, BandOfRuns], squares: Mapping[str, Estimate], since: int, which: str
) -> str:
    if not any(np.isfinite(entry.mean).any() for entry in found.values()):
        return f"No {which} was recorded."
    said = [f"{name}: {number_text(squares[name])}" for name in found if name in squares]
    if said:
        return f"Root mean square norm from step {since} on, {'; '.join(said)}. Broad lines mark it."
    ends = []
    for name, entry in found.items():
        known = np.flatnonzero(np.isfinite(entry.mean))
        if known.size:
            ends.append(
                f"{name}: {number_text(float(entry.mean[known[-1]]))} at step {entry.steps[known[-1]]:.0f}"
            )
    return f"Mean norm at the end, {'; '.join(ends)}."
