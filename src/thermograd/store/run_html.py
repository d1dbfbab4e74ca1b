"""A run as notebooks show it: how far it is, and every recorded scalar in a small drawing. No script, little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermograd.errors import ThermogradError
from thermograd.quantity_html import cells_table, escaped, facts_table
from thermograd.quantity_sketch import curve_sketch, shares_sketch
from thermograd.quantity_text import digits
from thermograd.store.known_values import known_values
from thermograd.store.outcome_counts import outcome_counts
from thermograd.store.printable import excerpt, printable

if TYPE_CHECKING:
    from thermograd.store.run import Run

MOST_BYTES = 8 * 2**20
"""Read at once for one drawing; of a run with more, some times of some trajectories are shown, and that is said."""
_MOST_DRAWN = 12
_POINTS = 60


def run_html(run: Run) -> str:
    """The page of a run in a notebook.

    For each scalar: the mean over the trajectories that did not diverge and their standard deviation, at the last
    recorded time in words and against time as a drawing. An array that cannot be read says why.

    Args:
        run: in memory or from disk.

    Returns:
        Well-formed HTML, all text in it escaped.
    """
    counts = outcome_counts(run.outcome)
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    epochs = f" = {run.steps / run.steps_per_epoch:g} epochs" if run.steps_per_epoch > 1 else ""
    facts = facts_table(
        {
            "trajectories": f"{run.trajectories}: {shown}",
            "length": f"{run.steps} optimiser steps{epochs}",
            "engine": run.engine,
            "seed": str(run.seed),
            "state": run.state,
            "failed": _failed(run),
            "folder": printable(run.path) if run.path else "",
        }
    )
    drawn = run.scalars[:_MOST_DRAWN]
    rows = [[escaped(name), *_scalar(run, name)] for name in drawn]
    rows += [[escaped(name), _shape(run, name), ""] for name in run.names if name not in drawn]
    headings = ["recorded", "mean ± standard deviation", "against time (steps)"]
    return (
        f"<p><b>{escaped(printable(run.name) or 'Run')}</b></p>{shares_sketch(counts)}{facts}"
        f"{cells_table(headings, rows) if rows else ''}"
    )


def _scalar(run: Run, name: str) -> tuple[str, str]:
    """The last mean in words, and the drawing."""
    try:
        steps, values, aside = _some(run, name)
    except ThermogradError as error:
        return escaped(excerpt(error)), ""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    seen = np.flatnonzero(count)
    if not seen.size:
        return "nothing is committed", ""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
        deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    mean[count == 0] = np.nan
    deviation[count < 2] = np.nan
    last = seen[-1]
    known_times = slice(0, last + 1)
    steps, mean, deviation = steps[known_times], mean[known_times], deviation[known_times]
    spread = f" ± {digits(deviation[last])}" if count[last] > 1 else ""
    text = f"{digits(mean[last])}{spread} at step {steps[last]}{aside}"
    return escaped(text), curve_sketch(
        steps, mean, (mean - deviation, mean + deviation), width=260, height=84
    )


def _some(run: Run, name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Times, values `(trajectory, time)` that fit into the memory allowed, and what was left out in words."""
    steps = run.times(name)
    spec = run.source.header.array(name)
    rows = slice(0, run.trajectories)
    if run.trajectories * steps.size * spec.record_bytes <= MOST_BYTES:
        return steps, _finite(run, known_values(run, name), rows), ""
    some = np.flatnonzero(run.committed >= 0)
    members = run.source.header.block(int(some[0]) if some.size else 0)
    most = MOST_BYTES // (_POINTS * spec.record_bytes)
    rows = slice(members.start, min(members.stop, members.start + most))
    places = np.unique(np.linspace(0, steps.size - 1, min(steps.size, _POINTS)).round().astype(int))
    columns = [known_values(run, name, rows, slice(place, place + 1)) for place in places.tolist()]
    values = _finite(run, np.concatenate(columns, axis=1), rows)
    aside = "" if rows == slice(0, run.trajectories) else f", of trajectories {rows.start} to {rows.stop - 1}"
    return steps[places], values, aside


def _finite(run: Run, values: np.ndarray, rows: slice) -> np.ndarray:
    values = values.astype(np.float64)
    values[run.diverged_at[rows] >= 0] = np.nan
    return values


def _failed(run: Run) -> str:
    failures = run.failures
    if not failures:
        return ""
    first = failures[0]
    more = f"; and {len(failures) - 1} more" if len(failures) > 1 else ""
    return f"block {first.block}: {printable(first.kind)}: {excerpt(first.message)}{more}"


def _shape(run: Run, name: str) -> str:
    spec = run.source.header.array(name)
    of_each = f", each {' × '.join(map(str, spec.shape))}" if spec.shape else ""
    return f"{run.trajectories} trajectories at {spec.times.size} times{of_each}"
