"""Workers of earlier starts that still own blocks when a run is gone on with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from thermograd.store.block_lock import WAIT_SECONDS, hold_block
from thermograd.store.block_log import read_owners


def earlier_owners(run: Path, blocks: Iterable[int]) -> str:
    """What a person should know before those are waited for, "" if there are none.

    Args:
        run: the run directory, before this start gives out a block.
        blocks: which will be given out.

    Returns:
        A sentence that names blocks, processes and hosts.

    Raises:
        OSError: the disk refuses.
    """
    left = [owner for block in blocks if (owner := _owner(run, block))]
    if not left:
        return ""
    return (
        f"workers of an earlier start are still at work: {', '.join(left)}; they leave at their next step, and are waited "
        f"for, up to {WAIT_SECONDS:.0f} s"
    )


def _owner(run: Path, block: int) -> str:
    lines = read_owners(run, block)
    if not lines or lines[-1].event != "begins":
        return ""
    with hold_block(run, block, wait=0.0) as free:
        return "" if free else f"block {block} (process {lines[-1].process} on host {lines[-1].host})"
