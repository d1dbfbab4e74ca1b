"""What becomes of a block that failed, and of a run of which too many blocks failed."""

from __future__ import annotations

from dataclasses import replace

from thermograd.ensemble.block_report import FAILED, BlockReport
from thermograd.ensemble.block_work import ATTEMPTS
from thermograd.errors import BlockFailedError
from thermograd.store.events import append_event
from thermograd.store.failures import Failure, write_failure
from thermograd.store.layout import Header
from thermograd.store.writer import DirectoryStorage

POISON = "WorkerLost"
_MEMORY = ("MemoryError", "OutOfMemoryError", "MemoryLimitError")
_FEWEST_BLOCKS = 5
_LARGEST_SHARE = 0.2


def record_failure(storage: DirectoryStorage, report: BlockReport) -> None:
    """Write `failure.json`, mark the trajectories, and note the event; `resume` tries the block again."""
    step = storage.committed(report.block)
    write_failure(
        storage.path,
        Failure(
            report.block, report.kind, report.message, report.traceback, step, report.attempts, report.host
        ),
    )
    storage.mark_failed(report.block)
    append_event(
        storage.path,
        "block_failed",
        block=report.block,
        kind=report.kind,
        message=report.message,
        step=step,
        attempts=report.attempts,
        host=report.host,
    )


def how_it_died(error: BaseException) -> str:
    """What is known of the end of a worker: the notes of the exception, else what it says.

    >>> how_it_died(RuntimeError("broken"))
    'broken'
    """
    return ", ".join(filter(None, getattr(error, "__notes__", ()))) or str(error)


def poison(block: int, error: BaseException, step: int) -> BlockReport:
    """The report of a block that lost its worker a second time, alone."""
    message = (
        f"its worker died, and died again ({how_it_died(error)}) with this block alone, after step {step}: native "
        "code crashed, the process was killed from outside, or memory ran out"
    )
    return BlockReport(block, FAILED, step, POISON, message, attempts=ATTEMPTS)


def with_advice(report: BlockReport, header: Header, *, workers: int) -> BlockReport:
    """The same report; one of memory that ran out says what to do about it."""
    if not report.kind.endswith(_MEMORY) and "DefaultCPUAllocator" not in report.message:
        return report
    smaller = max(1, header.block_size // 4)
    fewer = f", or resume with fewer workers than {workers}" if workers > 1 else ""
    message = f"out of memory ({report.message}); start a new run with block_size = {smaller}{fewer}"
    return replace(report, message=message)


def too_many(failed: dict[int, BlockReport], blocks: int) -> BlockFailedError | None:
    """The error of failures that are systematic: more than 20 % of five blocks or more."""
    if blocks < _FEWEST_BLOCKS or len(failed) <= _LARGEST_SHARE * blocks:
        return None
    return all_failed(failed, f"{len(failed)} of {blocks} blocks failed, so the run was stopped")


def all_failed(failed: dict[int, BlockReport], what: str) -> BlockFailedError:
    """The error of a run that has nothing, or too little, to show."""
    block, report = next(iter(failed.items()))
    return BlockFailedError(f"{what}; block {block}: {report.kind}: {report.message}")


def fewer_blocks(header: Header, workers: int) -> str | None:
    """What to say when there are not enough blocks for all workers, None if there are."""
    if header.blocks >= workers:
        return None
    size = -(-header.trajectories // workers)
    size -= -(-header.trajectories // size) < workers
    return (
        f"{header.blocks} block{'s' if header.blocks > 1 else ''} for {workers} workers: "
        f"{workers - header.blocks} will idle. A new run with block_size = {size} would use them all"
        if header.trajectories >= workers
        else f"{header.trajectories} trajectories cannot keep {workers} workers busy"
    )
