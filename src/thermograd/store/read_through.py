"""Reading all of a run once, to know that every chunk is there and passes its checksum."""

from __future__ import annotations

from thermograd.store.run import Run


def recorded_bytes(run: Run) -> int:
    """How much memory everything that was recorded would take, weights included.

    Args:
        run: a run.
    """
    arrays = run.source.header.arrays
    return run.trajectories * sum(spec.times.size * spec.record_bytes for spec in arrays)


def read_through(run: Run) -> None:
    """Read every committed chunk, block by block, and keep nothing.

    Args:
        run: a run directory that was opened, without `salvage`.

    Raises:
        DamagedRunError: a chunk is lost or damaged; names it, and says how to recover.
    """
    header = run.source.header
    for spec in header.arrays:
        for block in range(header.blocks):
            members = header.block(block)
            run.source.read(spec.name, slice(members.start, members.stop), slice(None))
