"""Recorded numbers of which it is certain that they were recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from thermograd.store.run import Run


def known_values(
    run: Run,
    name: str,
    trajectories: slice = slice(None),
    times: slice = slice(None),
    *,
    reached: npt.ArrayLike | None = None,
) -> npt.NDArray[np.floating[Any]]:
    """Part of a recorded array in which everything that is not known is NaN.

    Whole numbers have no NaN, so an array of them holds -1 where nothing is committed, where a block failed and from
    divergence on; a mean over it would count those.

    Args:
        run: in memory or from disk.
        name: one of its arrays.
        trajectories: a slice with step 1.
        times: a slice with step 1 of record positions.
        reached: `(block,)` up to which step records are known; `run.committed` if None.

    Returns:
        `(trajectory, time, ...)`, floats in their own precision, whole numbers in double precision.
    """
    values: npt.NDArray[Any] = run.array(name, trajectories, times)
    if values.dtype.kind == "f":
        return values
    steps = run.times(name)[times]
    last = np.asarray(run.committed if reached is None else reached)
    committed = np.repeat(last, run.source.header.block_size)[: run.trajectories][trajectories]
    diverged_at = run.diverged_at[trajectories, None]
    unknown = (steps > committed[:, None]) | ((diverged_at >= 0) & (steps >= diverged_at))
    found = values.astype(np.float64)
    found[unknown] = np.nan
    return found
