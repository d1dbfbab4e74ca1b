"""Figures of several runs together: the same scalar in one drawing, and against the field that was varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermograd.quantities import Estimate
from thermograd.report.ends_of_runs import EndsOfRuns, ends_of_runs
from thermograd.report.ensemble import LARGEST_NUMBER, axis_of, clock, words
from thermograd.report.figure import Figure
from thermograd.report.look import banded, error_bars, layout, line, logarithmic, points, style
from thermograd.report.ranking import number_text
from thermograd.report.spread import spread
from thermograd.store.run import Run

_DECADES = 8.0
"""Settings further apart than this factor stand on a logarithmic axis."""


def shared_scalars(runs: Mapping[str, Run]) -> list[str]:
    """Scalars that at least two of the runs recorded, at most 24, in the order of the first run that has them."""
    names = dict.fromkeys(name for run in runs.values() for name in run.scalars)
    shared = [name for name in names if sum(name in run.scalars for run in runs.values()) > 1]
    return shared[:LARGEST_NUMBER]


def all_ends(runs: Mapping[str, Run]) -> dict[str, EndsOfRuns]:
    """Every shared scalar at the last time that all runs with records of it have reached."""
    unit, scales = clock(list(runs.values()))
    of_run = dict(zip(runs, scales, strict=True))
    found = {name: ends_of_runs(runs, name, unit, of_run) for name in shared_scalars(runs)}
    return {name: ends for name, ends in found.items() if ends is not None and len(ends.values) > 1}


def compared(runs: Mapping[str, Run], ends: Mapping[str, EndsOfRuns] | None = None) -> tuple[Figure, ...]:
    """The same scalar of several runs in one drawing, means with their 95 % intervals.

    Args:
        runs: label -> run.
        ends: of the scalars, if they are known already.

    Returns:
        One figure for each scalar of which at least two of the runs have records.
    """
    unit, scales = clock(list(runs.values()))
    of_run = dict(zip(runs, scales, strict=True))
    return tuple(
        _curves(runs, name, end, unit, of_run)
        for name, end in (all_ends(runs) if ends is None else ends).items()
    )


def against_setting(
    setting: str, values: Mapping[str, float], ends: Mapping[str, EndsOfRuns]
) -> tuple[Figure, ...]:
    """Each scalar at the last shared time against the one number in which the experiments differ.

    Args:
        setting: dotted path of the field.
        values: label of a run -> its value there.
        ends: the scalars.

    Returns:
        One figure for each scalar with a value in at least three runs.
    """
    kept = {
        name: end for name, end in ends.items() if sum(np.isfinite(m.value) for m in end.means.values()) > 2
    }
    return tuple(_sweep(setting, values, name, end) for name, end in kept.items())


def _curves(
    runs: Mapping[str, Run], name: str, end: EndsOfRuns, unit: str, scales: Mapping[str, int]
) -> Figure:
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("run", f"time ({unit}s)", "mean", "95 % from", "to", "trajectories")
    }
    for position, label in enumerate(end.values):
        entry = spread(runs[label], name)
        mean, time = entry.estimate(), entry.steps / scales[label]
        traces += banded(time, mean.value, mean.low, mean.high, label, position)
        columns = ([label] * time.size, time, mean.value, mean.low, mean.high, entry.count)
        for key, column in zip(table, columns, strict=True):
            table[key] += np.asarray(column).tolist()
    return Figure(
        stem="ensemble",
        name=name,
        title=f"{words(name)}, runs compared".capitalize(),
        conclusion=end.sentence(),
        traces=tuple(traces),
        layout=layout(f"time ({unit}s completed)", axis_of(name)),
        table=table,
    )


def _sweep(setting: str, values: Mapping[str, float], name: str, end: EndsOfRuns) -> Figure:
    means = {label: mean for label, mean in end.means.items() if np.isfinite(mean.value)}
    order = sorted(means, key=lambda label: values[label])
    at = [values[label] for label in order]
    mean, low, high = (
        np.array([getattr(means[label], part) for label in order]) for part in ("value", "low", "high")
    )
    field = setting.rsplit(".", 1)[-1].replace("_", " ")
    wide = min(at) > 0 and max(at) / min(at) >= _DECADES
    traces = [
        line(at, mean, "mean", style(0).colour, showlegend=False),
        points(at, mean, "mean with 95 % interval", 0, error_y=error_bars(mean, low, high)),
    ]
    return Figure(
        stem="ensemble",
        name=f"{name}_against_{setting}".replace(".", "_"),
        title=f"{words(name)} at {end.unit} {end.time:g} against {field}".capitalize(),
        conclusion=_best(end, means, setting, values),
        traces=tuple(traces),
        layout=layout(
            f"{field} ({setting})", axis_of(name), hovermode="closest", xaxis=logarithmic(at) if wide else {}
        ),
        table={
            "run": order,
            setting: at,
            "mean": mean.tolist(),
            "95 % from": low.tolist(),
            "to": high.tolist(),
        },
    )


def _best(end: EndsOfRuns, means: Mapping[str, Estimate], setting: str, values: Mapping[str, float]) -> str:
    """The extreme that is in question, and whether it is told apart from its rival."""
    field = setting.rsplit(".", 1)[-1].replace("_", " ")
    order = sorted(means, key=lambda label: float(means[label].value))
    said = []
    for extreme, rival, word in ((order[0], order[1], "smallest"), (order[-1], order[-2], "largest")):
        # each of the two is chosen among all, hence held against all others
        gap = end.difference(rival, extreme, 1 - 0.05 / (len(order) - 1))
        apart = gap.high < 0 if word == "smallest" else gap.low > 0
        text = f"{word} at {field} {values[extreme]:g}: {number_text(means[extreme])}"
        if not apart:
            text += f", not told apart from {values[rival]:g}"
        said.append(text)
    return f"At {end.unit} {end.time:g} it is {'; '.join(said)}."
