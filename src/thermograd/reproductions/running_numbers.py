"""All numbers of a run as bytes, and whether what it promises is true already."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thermograd.store.layout import DIVERGED, FINISHED
from thermograd.store.run import Run


def everything(run: Run) -> dict[str, bytes]:
    """All numbers of a run, as bytes: two runs are the same if these are equal.

    Args:
        run: in memory or on disk.

    Returns:
        Records, weights, outcomes, divergence steps and committed steps, by name.
    """
    found = {name: run[name].tobytes() for name in run.names}
    found |= {f"weights/{name}": value.tobytes() for name, value in run.weights().items()}
    return found | {
        "outcome": run.outcome.tobytes(),
        "diverged_at": run.diverged_at.tobytes(),
        "committed": run.committed.tobytes(),
    }


def untrue(run: Run, truth: Mapping[str, bytes]) -> str:
    """What is wrong with a run that was cut off: a committed record that is not the true one, for one.

    Args:
        run: cut off at any moment.
        truth: `everything` of the same run, not cut off.

    Returns:
        What is wrong, "" if nothing is.
    """
    size = run.source.header.block_size
    for name in run.names:
        # workers may still be at work: what is committed grows
        before, recorded, after = run.committed.tolist(), run[name], run.committed.tolist()
        true = np.frombuffer(truth[name], recorded.dtype).reshape(recorded.shape)
        for block, (committed, later) in enumerate(zip(before, after, strict=True)):
            rows = slice(block * size, (block + 1) * size)
            known, unknown = run.times(name) <= committed, run.times(name) > later
            if recorded[rows, known].tobytes() != true[rows, known].tobytes():
                return f"{name} of block {block} is wrong up to its committed step {committed}"
            if recorded.dtype.kind == "f" and not np.isnan(recorded[rows, unknown]).all():
                return f"{name} of block {block} shows records beyond its committed step {later}"
    return _outcome_untrue(run, truth)


def _outcome_untrue(run: Run, truth: Mapping[str, bytes]) -> str:
    """Finished are the trajectories of blocks that are committed to the end, and no other."""
    true = np.frombuffer(truth["outcome"], run.outcome.dtype)
    header = run.source.header
    before, outcome, after = run.committed, run.outcome, run.committed
    last, possible = (
        np.repeat(committed, header.block_size)[: true.size] >= header.steps for committed in (before, after)
    )
    ended = np.isin(outcome, (FINISHED, DIVERGED))
    if (outcome[ended] != true[ended]).any() or ((outcome == FINISHED) & ~possible).any():
        return "an outcome is wrong"
    if (last & ~ended).any():
        return "a block is committed to the end, but its outcome is pending"
    return ""
