"""What follows a perturbation: mean and deciles of the branches, against time and since the perturbation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.differences import largest_difference, mean_of
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style
from thermograd.report.ranking import number_text

Array = npt.NDArray[Any]
Drawn = tuple[Figure, ...]


@dataclass(frozen=True, eq=False)
class Branches:
    """Values of the runs that a perturbation found still under way.

    Attributes:
        name: of the perturbation, with its interval if several are compared.
        interval: P, when they were perturbed.
        before: `(trajectory,)` values at P, recorded before the perturbation.
        after: `(trajectory, lag)` values 1, 2, ... units after it and before the next; NaN where not evaluated.
    """

    name: str
    interval: int
    before: Array
    after: Array

    def deciles(self) -> tuple[Array, Array]:
        """First and ninth decile at lags 0, 1, ...; NaN where nothing is known."""
        table = self.table()
        found = np.full((2, table.shape[1]), np.nan)
        known = np.isfinite(table).any(axis=0)
        found[:, known] = np.nanquantile(table[:, known], (0.1, 0.9), axis=0)
        return found[0], found[1]

    def means(self) -> list[Estimate]:
        """Mean at lags 0, 1, ... with its interval."""
        table = self.table()
        return [mean_of(table[:, lag]) for lag in range(table.shape[1])]

    def table(self) -> Array:
        """`(trajectory, lag)` from lag 0, the value before the perturbation, on."""
        return np.column_stack([self.before, self.after])


def branches(
    shown: Mapping[str, Branches], *, unit: str = "epoch", quantity: str = "value (as recorded)"
) -> Drawn:
    """Mean and deciles of the branches, once against time and once against the time since the perturbation.

    Args:
        shown: the branches by name.
        unit: unit of the times.
        quantity: axis title, with unit.

    Returns:
        Both figures; none if nothing was perturbed.
    """
    entries = [entry for entry in shown.values() if entry.after.size]
    if not entries:
        return ()
    raw = Figure(
        stem="first_passage",
        name="branches",
        title="Runs still under way, before and after they were perturbed",
        conclusion=_jump(entries, unit),
        traces=tuple(
            trace for place, entry in enumerate(entries) for trace in _traces(place, entry, entry.interval)
        ),
        layout=layout(f"time ({unit}s completed)", quantity),
        table=_numbers(entries, unit),
    )
    if len(entries) == 1:
        return (raw,)
    centred = Figure(
        stem="first_passage",
        name="branches_centred",
        title="The same, counted from the perturbation",
        conclusion=_collapse(entries, unit),
        traces=tuple(trace for place, entry in enumerate(entries) for trace in _traces(place, entry, 0)),
        layout=layout(f"time since the perturbation ({unit}s)", quantity),
        table=_numbers(entries, unit),
    )
    return raw, centred


def branches_of(
    name: str, values: Array, alive: npt.NDArray[np.bool_], interval: int, reach: int = 30
) -> Branches:
    """The branches in recorded runs that were perturbed every so often.

    Args:
        name: of the perturbation.
        values: `(trajectory, time)` values after 1, 2, ... units.
        alive: `(trajectory,)` which runs were still under way at the interval.
        interval: P; the branches are followed until the next perturbation, at 2 P.
        reach: at most so many units are followed.

    Returns:
        The branches of the runs that were alive.
    """
    end = min(2 * interval, interval + reach, values.shape[1])
    kept = np.asarray(values, float)[alive]
    return Branches(name, interval, kept[:, interval - 1], kept[:, interval:end])


def _traces(position: int, entry: Branches, origin: int) -> list[dict[str, Any]]:
    colour, dash, _ = style(position)
    means, (low, high) = entry.means(), entry.deciles()
    time = origin + np.arange(len(means))
    group = {"legendgroup": str(position)}
    label = f"{entry.name} ({len(entry.before)} runs)"
    edges = band(time, low, high, f"{entry.name}, first to ninth decile", colour, **group)
    edges[-1]["showlegend"] = False
    return [
        *edges,
        line(time, [mean.value for mean in means], label, colour, dash, mode="lines+markers", **group),
    ]


def _jump(entries: list[Branches], unit: str) -> str:
    """The change of the mean from just before the perturbation to one unit later, paired within each run."""
    changes = {entry.name: mean_of(entry.after[:, 0] - entry.before) for entry in entries}
    down = [name for name, change in changes.items() if change.high < 0]
    up = [name for name, change in changes.items() if change.low > 0]
    shown = ", ".join(f"{name}: {number_text(change)}" for name, change in changes.items())
    text = f"Change of the mean in the first {unit} after the perturbation: {shown}"
    if len(down) == len(changes):
        return f"{text}; the value falls every time."
    if len(up) == len(changes):
        return f"{text}; the value rises every time."
    open_ = len(changes) - len(down) - len(up)
    return f"{text}; it falls in {len(down)}, rises in {len(up)}, and in {open_} the data cannot decide."


def _collapse(entries: list[Branches], unit: str) -> str:
    lag = min(entry.after.shape[1] for entry in entries)
    means = {entry.name: entry.means()[lag] for entry in entries}
    lowest, highest, gap = largest_difference(means)
    text = (
        f"{lag} {unit}{'' if lag == 1 else 's'} after the perturbation, the latest time that all share, the means "
        f"lie between {number_text(means[lowest])} ({lowest}) and {number_text(means[highest])} ({highest})"
    )
    if gap.low > 0:
        return f"{text}: what follows depends on when the perturbation came (difference {number_text(gap)})."
    return f"{text}: whether what follows depends on when it came, the data cannot decide (difference {number_text(gap)})."


def _numbers(entries: list[Branches], unit: str) -> dict[str, list[Any]]:
    rows: list[tuple[Any, ...]] = []
    for entry in entries:
        low, high = entry.deciles()
        for lag, mean in enumerate(entry.means()):
            known = int(mean.pieces)
            rows.append(
                (
                    entry.name,
                    entry.interval + lag,
                    lag,
                    known,
                    mean.value,
                    mean.low,
                    mean.high,
                    low[lag],
                    high[lag],
                )
            )
    names = (
        "perturbation", f"time ({unit}s)", f"since the perturbation ({unit}s)", "runs", "mean", "95 % from", "to",
        "first decile", "ninth decile",
    )  # fmt: skip
    return {heading: [row[column] for row in rows] for column, heading in enumerate(names)}
