"""The numbers of a run sent to a logger: the mean over its trajectories, each record time once and in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.store.known_values import known_values
from thermograd.store.layout import FAILED
from thermograd.store.run import Run


def log_means(
    run: Run,
    sink: Callable[[Mapping[str, Any], int], object],
    *,
    after: int = -1,
    reached: npt.ArrayLike | None = None,
) -> int:
    """Log the mean over trajectories of every recorded scalar, at the times that all blocks have reached.

    A mean is logged when no block can change it any more, so what a sink gets does not depend on who ran which block
    when, nor on interruptions. It is over the trajectories that are finite at that time. Blocks that failed are left
    out. Call it after every commit with what the last call returned.

    Args:
        run: in memory or from disk, complete or under way.
        sink: takes (name -> mean, step); see `sink_of`.
        after: the last step that was logged already, -1 for none.
        reached: `(block,)` last recorded step of each block; `run.committed` if None.

    Returns:
        The last step that is logged now; give it as `after` the next time.

    >>> from thermograd.ensemble.experiment import Experiment
    >>> from thermograd.ensemble.run import run
    >>> from thermograd.problems import Quadratic
    >>> done = run(Experiment(Quadratic(), trajectories=2, steps=3, seed=1))
    >>> logged = log_means(done, lambda values, step: print(step, *values))
    0 train_loss
    3 train_loss
    >>> log_means(done, print, after=logged)
    3
    """
    last = _reached_by_all(run, reached)
    parts = {name: _part(run.times(name), after, last) for name in run.scalars}
    means = {name: _means(run, name, part, reached) for name, part in parts.items()}
    steps = {name: run.times(name)[part] for name, part in parts.items()}
    for step in sorted({int(step) for at in steps.values() for step in at}):
        values = {}
        for name, at in steps.items():
            place = int(np.searchsorted(at, step))
            if place < at.size and at[place] == step:
                values[name] = float(means[name][place])
        sink(values, step)
        after = step
    return after


def _reached_by_all(run: Run, reached: npt.ArrayLike | None) -> int:
    steps = np.asarray(run.committed if reached is None else reached)
    failed = run.outcome == FAILED
    blocks = run.source.header.block
    alive = [step for block, step in enumerate(steps.tolist()) if not failed[_rows(blocks(block))].all()]
    return min(alive, default=-1)


def _rows(members: range) -> slice:
    return slice(members.start, members.stop)


def _part(steps: npt.NDArray[np.int64], after: int, last: int) -> slice:
    first, end = np.searchsorted(steps, (after, last), side="right").tolist()
    return slice(first, max(first, end))


def _means(run: Run, name: str, part: slice, reached: npt.ArrayLike | None) -> npt.NDArray[np.float64]:
    """Block by block, so that a large run needs little memory; NaN where nobody is finite."""
    length = part.stop - part.start
    count, total = np.zeros(length), np.zeros(length)
    failed = run.outcome == FAILED
    for block in range(run.source.header.blocks if length else 0):
        rows = _rows(run.source.header.block(block))
        values = known_values(run, name, rows, part, reached=reached).astype(np.float64)
        known = np.isfinite(values) & ~failed[rows, None]
        count += known.sum(axis=0)
        total += np.where(known, values, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / count
