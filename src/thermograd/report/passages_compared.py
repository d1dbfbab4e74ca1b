"""How long several runs take to a level that all of them reach: survival functions in one drawing, and mean times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from thermograd.estimators.first_passage import restricted_mean
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.estimators.kaplan_meier import kaplan_meier
from thermograd.quantities import Estimate
from thermograd.report.differences import largest_difference
from thermograd.report.ends_of_runs import EndsOfRuns
from thermograd.report.ensemble import words
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style
from thermograd.report.ranking import number_text
from thermograd.store.known_values import known_values
from thermograd.store.run import Run

_DIRECTIONS = {"accuracy": "up", "loss": "down"}
"""By the last word of its name: which way a scalar gets better. Others have no target that would make sense."""
_MOST_NAMED = 4
"""Runs named one by one, and drawn with their bands: those of more would hide one another."""


def passages_compared(
    runs: Mapping[str, Run], ends: Mapping[str, EndsOfRuns], scales: Mapping[str, int]
) -> tuple[Figure, ...]:
    """For every loss and accuracy, the share of trajectories still under way to one level, run by run.

    The level is the mean of the run that is worst at the last shared time, rounded to two digits to the easier side,
    so that it lies within what all runs were trained for. Trajectories that diverged never arrive.

    Args:
        runs: label -> run.
        ends: the scalars of the runs at the last time that all have reached.
        scales: by run, steps in one unit of time.

    Returns:
        One figure for each loss or accuracy that begins on the far side of its level in every run.
    """
    drawn = []
    for name, end in ends.items():
        direction = _DIRECTIONS.get(name.replace("/", "_").rsplit("_", 1)[-1])
        target = level(end, direction) if direction else None
        if direction is None or target is None or not _all_begin_before(runs, name, end, target, direction):
            continue
        found = {
            label: _passages(runs[label], name, end, target, direction, scales[label]) for label in end.values
        }
        found = {label: passages for label, passages in found.items() if len(passages)}
        if len(found) > 1:
            drawn.append(_figure(name, end, target, direction, found, scales))
    return tuple(drawn)


def level(end: EndsOfRuns, direction: str) -> float | None:
    """The worst mean at the end, rounded to two digits to the easier side; None without any.

    >>> level(EndsOfRuns(30, "epoch", {"a": np.array([0.968, 0.968]), "b": np.array([0.99, 0.99])}, {}), "up")
    0.96
    """
    means = [float(mean.value) for mean in end.means.values() if np.isfinite(mean.value)]
    worst = (min if direction == "up" else max)(means, default=0.0)
    if not worst:
        return None
    step = 10.0 ** (math.floor(math.log10(abs(worst))) - 1)
    rounded = (math.floor if direction == "up" else math.ceil)(round(worst / step, 9)) * step
    return float(f"{rounded:.2g}")


def _all_begin_before(
    runs: Mapping[str, Run], name: str, end: EndsOfRuns, target: float, direction: str
) -> bool:
    for label in end.values:
        first = known_values(runs[label], name, times=slice(0, 1))
        known = first[np.isfinite(first)]
        if not known.size or not (known.mean() < target if direction == "up" else known.mean() > target):
            return False
    return True


def _passages(
    run: Run, name: str, end: EndsOfRuns, target: float, direction: str, scale: int
) -> FirstPassageTimes:
    """In steps, up to the shared time, block by block; trajectories without any record are left out."""
    horizon = round(end.time * scale)
    steps = run.times(name)
    part = slice(0, int(np.searchsorted(steps, horizon, side="right")))
    at, diverged_at = steps[part], run.diverged_at
    times, arrivals = [], []
    for index in range(run.source.header.blocks):
        members = run.source.header.block(index)
        rows = slice(members.start, members.stop)
        values = known_values(run, name, rows, part)
        known = np.isfinite(values)
        met = known & np.asarray(values >= target if direction == "up" else values <= target)
        reached = np.asarray(met.any(axis=1))
        last = at[values.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)]
        watched = np.where(diverged_at[rows] >= 0, horizon, last)
        kept = known.any(axis=1)
        times.append(np.where(reached, at[np.argmax(met, axis=1)], watched)[kept])
        arrivals.append(reached[kept])
    return FirstPassageTimes(np.concatenate(times), np.concatenate(arrivals), horizon, "step")


def _figure(
    name: str,
    end: EndsOfRuns,
    target: float,
    direction: str,
    found: Mapping[str, FirstPassageTimes],
    scales: Mapping[str, int],
) -> Figure:
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {
        key: [] for key in ("run", f"time ({end.unit}s)", "share under way", "95 % from", "to")
    }
    for position, (label, passages) in enumerate(found.items()):
        survival = kaplan_meier(*passages.outcomes())
        # where nobody is left the curve is over, so that the others can be seen
        last = min(passages.horizon, int(passages.time.max()))
        steps = np.unique(np.append(survival.knots, last).clip(max=last))
        share, (low, high), time = survival.at(steps), survival.band(steps, 0.95), steps / scales[label]
        colour, dash, _ = style(position)
        edges = band(time, low, high, label, colour, "hv", legendgroup=label)
        traces += [edge | {"showlegend": False} for edge in edges if len(found) <= _MOST_NAMED]
        traces.append(line(time, share, label, colour, dash, "hv", legendgroup=label))
        for key, column in zip(table, ([label] * time.size, time, share, low, high), strict=True):
            table[key] += np.asarray(column).tolist()
    sign = "≥" if direction == "up" else "≤"
    return Figure(
        stem="first_passage",
        name=f"{name}_compared",
        title=f"Trajectories that have not reached {words(name)} {sign} {target:g}",
        conclusion=_conclusion(f"{words(name)} {sign} {target:g}", end, found, scales),
        traces=tuple(traces),
        layout=layout(
            f"time ({end.unit}s completed)", "share of trajectories under way", yaxis={"range": [0, 1.02]}
        ),
        table=table,
    )


def _conclusion(
    goal: str, end: EndsOfRuns, found: Mapping[str, FirstPassageTimes], scales: Mapping[str, int]
) -> str:
    means = {
        label: restricted_mean(passages, horizon=passages.horizon, seed=place)
        for place, (label, passages) in enumerate(found.items())
    }
    times = {label: _scaled(mean, scales[label]) for label, mean in means.items()}
    late = {
        label: 1 - passages.reached.mean() for label, passages in found.items() if not passages.reached.all()
    }
    fast, slow, gap = largest_difference(times)
    named = times if len(times) <= _MOST_NAMED else (fast, slow)
    text = f"Mean {end.unit}s to {goal}: " + ", ".join(
        f"{label}: {number_text(times[label])}" for label in named
    )
    if late:
        text += f", those that had not arrived by then counted as {end.unit} {end.time:g}"
    if gap.low > 0:
        text += f". {slow} takes {number_text(gap)} {end.unit}s longer than {fast}"
        text += _ratio(means[fast], means[slow], scales[slow] / scales[fast]) if len(times) == 2 else ""
    else:
        text += f". Which is sooner, the data cannot decide (largest difference {number_text(gap)})"
    if late:
        text += f". Share not arrived by then: {', '.join(f'{label}: {share:.3g}' for label, share in late.items())}"
    text += ". The bands are in the table" if len(times) > _MOST_NAMED else ""
    return f"{text}."


def _scaled(mean: Estimate, scale: int) -> Estimate:
    return Estimate(mean.value / scale, (mean.low / scale, mean.high / scale), mean.level, mean.pieces)


def _ratio(fast: Estimate, slow: Estimate, scale: float) -> str:
    """How many times longer, from the resamples of two runs; `scale` is how many times longer the unit of the second is."""
    one, other = (np.asarray(mean.samples, float) for mean in (fast, slow))
    if not (one > 0).all():
        return ""
    low, high = np.quantile(other / one / scale, (0.025, 0.975)).tolist()
    return f", a factor {number_text(Estimate(float(slow.value) / float(fast.value) / scale, (low, high)))}"
