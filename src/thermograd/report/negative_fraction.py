"""The share of directions in which the loss curves down, along training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from thermograd.advisor.wording import number
from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import student
from thermograd.report.figure import Figure
from thermograd.report.log_steps import log_axis, log_places
from thermograd.report.look import error_bars, layout, line, points, style

Array = npt.NDArray[Any]

_LEVEL = 0.95
_HEADINGS = ("series", "step", "runs", "negative fraction", "95 % from", "to")


class _Course(NamedTuple):
    """Mean over trajectories at every step, with the interval of Student's t."""

    steps: Array
    runs: Array
    mean: Array
    low: Array
    high: Array


def negative_fraction(series: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], *, what: str = "") -> Figure:
    """Mean over trajectories of the fraction of negative eigenvalues against time, with its interval.

    Args:
        series: name -> (steps `(time,)`, fractions `(trajectory, time)` or `(time,)`); NaN where not known.
        what: what was trained, for the title.

    Returns:
        Markers with the 95 % interval of Student's t over trajectories, none of one run, joined by lines.

    Raises:
        ConfigError: a ValueError: shapes that do not fit.
    """
    given = {name: _checked(*pair) for name, pair in series.items()}
    found = {name: _course(*pair) for name, pair in given.items()}
    everywhere = np.concatenate([np.zeros(0), *(entry.steps for entry in found.values())])
    places = dict(zip(everywhere.tolist(), log_places(everywhere).tolist(), strict=True))
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {heading: [] for heading in _HEADINGS}
    for position, (name, entry) in enumerate(found.items()):
        colour, dash, _ = style(position)
        at = np.array([places[step] for step in entry.steps.tolist()])
        if np.isfinite(entry.mean).any():
            mark = points(at, entry.mean, name, position, legendgroup=name)
            mark["error_y"] = {**error_bars(entry.mean, entry.low, entry.high), "color": colour}
            joined = line(
                at, entry.mean, name, colour, dash, legendgroup=name, showlegend=False, hoverinfo="skip"
            )
            traces += [joined, mark]
        cells = ([name] * entry.steps.size, *(column.tolist() for column in entry))
        for heading, column in zip(_HEADINGS, cells, strict=True):
            table[heading] += column
    said = [text for name, (steps, each) in given.items() if (text := _said(name, steps, each))]
    return Figure(
        stem="landscape",
        name="negative_fraction",
        title=f"Share of negative eigenvalues along training{', ' * bool(what)}{what}",
        conclusion=f"{'; '.join(said)}." if said else "No fraction was recorded.",
        traces=tuple(traces),
        layout=layout(
            "time (optimiser steps)",
            "negative fraction",
            hovermode="closest",
            xaxis=log_axis(everywhere),
            yaxis={"rangemode": "tozero"},
        ),
        table=table,
    )


def _checked(steps: npt.ArrayLike, fractions: npt.ArrayLike) -> tuple[Array, Array]:
    at, given = np.asarray(steps, float), np.asarray(fractions, float)
    each = given[None] if given.ndim == 1 else given
    if at.ndim != 1 or each.ndim != 2 or each.shape[1:] != at.shape:
        message = f"fractions have shape {given.shape} and steps {at.shape}; they must be (trajectory, time) or (time,), and (time,)"
        raise ConfigError(message)
    return at, each


def _course(steps: Array, each: Array) -> _Course:
    known = np.isfinite(each)
    runs = known.sum(axis=0)
    mean, reach = np.full((2, steps.size), np.nan)
    for place in np.flatnonzero(runs).tolist():
        some = each[known[:, place], place]
        mean[place] = some.mean()
        if some.size > 1:
            reach[place] = student(_LEVEL, some.size) * some.std(ddof=1) / np.sqrt(some.size)
    return _Course(steps, runs, mean, np.maximum(mean - reach, 0.0), np.minimum(mean + reach, 1.0))


def _said(name: str, steps: Array, each: Array) -> str:
    """First against last step in the trajectories that have both, with a sign test."""
    known = np.flatnonzero(np.isfinite(each).any(axis=0))
    if not known.size:
        return ""
    first, last = each[:, known[0]], each[:, known[-1]]
    both = np.isfinite(first) & np.isfinite(last)
    first, last = first[both], last[both]
    start = f"{name}: " if name else ""
    if known.size < 2 or not first.size:
        return f"{start}{number(float(np.nanmean(each[:, known[-1]])))} at step {steps[known[-1]]:.0f}"
    ends = (
        f"{start}from {number(float(first.mean()))} at step {steps[known[0]]:.0f} to {number(float(last.mean()))} "
        f"at step {steps[known[-1]]:.0f}"
    )
    fewer, more = int((last < first).sum()), int((last > first).sum())
    vanished = int((last <= 0).sum())
    gone = "none has lost them all" if not vanished else f"{vanished} of {last.size} runs have none left"
    if first.size == 1:
        return f"{ends} (one run)"
    return f"{ends}; fewer in {fewer} of {first.size} runs ({_sign_test(fewer, more)}), {gone}"


def _sign_test(fewer: int, more: int) -> str:
    """Two-sided, of runs that changed: P(at most so few of fewer + more | one half), doubled."""
    changed = fewer + more
    p_value = min(1.0, 2 * float(bdtr(min(fewer, more), changed, 0.5))) if changed else 1.0
    return f"sign test p = {p_value:.2g}"
