"""What happens when a block of trajectories raises: once more from its checkpoint, then failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from thermograd.errors import BlockFailedError, DamagedRunError, RunInUseError
from thermograd.store.disk_space import is_disk_error
from thermograd.store.events import append_event
from thermograd.store.failures import Failure, write_failure
from thermograd.store.writer import DirectoryStorage

ATTEMPTS = 2
_FEWEST_BLOCKS = 5
_LARGEST_SHARE = 0.2


def attempted(storage: DirectoryStorage, block: int, train: Callable[[], None]) -> Exception | None:
    """Train a block, at most twice; record its failure.

    Most exceptions are deterministic, so one retry is enough to tell; a block that ran out of memory is
    not tried again. Exceptions that concern the whole run (disk, damage, ownership) pass through.

    Args:
        storage: the run.
        block: which block.
        train: trains it from its checkpoint.

    Returns:
        The exception it failed with, None if it did not fail.

    Raises:
        DamagedRunError: its files cannot be trusted.
        RunInUseError: another start owns the run now.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            train()
        except (DamagedRunError, RunInUseError):
            raise
        except Exception as error:
            if is_disk_error(error):
                raise
            if attempt < ATTEMPTS and not isinstance(error, MemoryError):
                continue
            _record(storage, block, attempt, error)
            return error
        else:
            return None
    return None


def check_share(failed: dict[int, Exception], blocks: int) -> None:
    """Stop when failures are systematic: more than 20 % of five blocks or more.

    Raises:
        BlockFailedError: they are.
    """
    if blocks < _FEWEST_BLOCKS or len(failed) <= _LARGEST_SHARE * blocks:
        return
    error = all_failed(failed, f"{len(failed)} of {blocks} blocks failed, so the run was stopped")
    raise error


def all_failed(failed: dict[int, Exception], what: str) -> BlockFailedError:
    """The error of a run that has nothing, or too little, to show."""
    block, cause = next(iter(failed.items()))
    error = BlockFailedError(f"{what}; block {block}: {type(cause).__name__}: {cause}")
    error.__cause__ = cause
    return error


def _record(storage: DirectoryStorage, block: int, attempts: int, error: Exception) -> None:
    message = str(error)
    if isinstance(error, MemoryError):
        smaller = max(1, storage.header.block_size // 4)
        message = f"out of memory ({message}); start a new run with block_size = {smaller}"
    step = storage.committed(block)
    trace = "".join(traceback.format_exception(error))
    write_failure(storage.path, Failure(block, type(error).__name__, message, trace, step, attempts))
    storage.mark_failed(block)
    append_event(
        storage.path, "block_failed", block=block, kind=type(error).__name__, message=message, step=step
    )
