"""Owning a block and training it: the same in the caller and in a worker far away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from thermograd.ensemble.block_report import BUSY, DAMAGED, FAILED, FINISHED, STALE, STOPPED, BlockReport
from thermograd.errors import DamagedRunError, RunInUseError
from thermograd.store.block_lock import WAIT_SECONDS, hold_block
from thermograd.store.block_log import logged_owner, read_owners
from thermograd.store.disk_space import is_disk_error
from thermograd.store.layout import BlockSink, Checkpoint, Header
from thermograd.store.writer import DirectorySink, DirectoryStorage

ATTEMPTS = 2


class BlockTrainer(Protocol):
    """What trains the blocks, as `Trainer` does."""

    @property
    def experiment(self) -> Any:
        """What is trained."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""

    def header(self, name: str = "") -> Header:
        """What the run will consist of."""

    def train(
        self,
        block: int,
        sink: BlockSink,
        *,
        until: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Train one block to its end, to `until`, or until the sink asks to stop; then commit."""


class Onlooker(Protocol):
    """Who is told about a block at work, and says when to stop."""

    def stopping(self) -> bool:
        """Whether to stop at this step boundary."""

    def begun(self, block: int) -> None:
        """The block is owned."""

    def advanced(self, block: int, step: int) -> None:
        """A step was reached."""

    def recorded(self, block: int, step: int, values: dict[str, npt.NDArray[Any]]) -> None:
        """Records were taken."""

    def committed(self, block: int, checkpoint: Checkpoint) -> None:
        """Records and checkpoint are permanent."""

    def ended(self, block: int) -> None:
        """The block is about to be let go of."""

    def raised(self, block: int, error: Exception) -> None:
        """The block was given up for an exception."""


@dataclass(frozen=True)
class BlockTask:
    """One block of one start of a run.

    Attributes:
        run: the run directory.
        block: which block.
        generation: which start.
        until: step to stop at, None for the end.
        wait: seconds to wait for another owner to leave; None: 30.
    """

    run: Path
    block: int
    generation: int
    until: int | None = None
    wait: float | None = None


Workplace = Callable[[], tuple[DirectoryStorage, BlockTrainer]]


def work_on(task: BlockTask, workplace: Workplace, onlooker: Onlooker) -> BlockReport:
    """Own a block, train it from its checkpoint, and let go of it.

    Most exceptions are deterministic, so one retry is enough to tell; a block that ran out of memory is not tried
    again.

    Args:
        task: which block.
        workplace: gives the open run and what trains; called when the block is owned.
        onlooker: who is told.

    Returns:
        What came of it. Only an interruption of the process passes through.
    """
    report = BlockReport(task.block, FAILED)
    wait = WAIT_SECONDS if task.wait is None else task.wait
    try:
        with hold_block(task.run, task.block, wait=wait, give_up=onlooker.stopping) as owned:
            if not owned:
                return _not_owned(task, report, onlooker, wait)
            if onlooker.stopping():  # asked while it waited for the block, or prepared for it
                return replace(report, outcome=STOPPED)
            with logged_owner(task.run, task.block, task.generation) as how:
                onlooker.begun(task.block)
                report = _worked(task, workplace, onlooker)
                how.append(report.outcome)
                onlooker.ended(task.block)
                return report
    except RunInUseError as error:
        return replace(report, outcome=STALE, message=str(error))
    except OSError as error:
        return report.with_error(error)


def _not_owned(task: BlockTask, report: BlockReport, onlooker: Onlooker, wait: float) -> BlockReport:
    if onlooker.stopping():
        return replace(report, outcome=STOPPED)
    begun = [line for line in read_owners(task.run, task.block) if line.event == "begins"]
    owner = f" (process {begun[-1].process} on host {begun[-1].host})" if begun else ""
    message = (
        f"block {task.block} is still owned by an earlier start{owner}, which did not leave in {wait:.0f} s"
    )
    return replace(report, outcome=BUSY, message=message)


def _worked(task: BlockTask, workplace: Workplace, onlooker: Onlooker) -> BlockReport:
    report = BlockReport(task.block, FAILED)
    try:
        storage, trainer = workplace()
        report = replace(report, run_id=storage.manifest.run_id)
        storage.check_generation()
        if storage.finished(task.block):
            return replace(report, outcome=FINISHED, step=storage.committed(task.block))
        storage.retry(task.block)
        return _trained(task, storage, trainer, onlooker, report)
    except RunInUseError as error:
        return replace(report, outcome=STALE, message=str(error))
    except DamagedRunError as error:
        return replace(report.with_error(error), outcome=DAMAGED, damage=error.damage)
    except Exception as error:
        onlooker.raised(task.block, error)
        return report.with_error(error)


def _trained(
    task: BlockTask,
    storage: DirectoryStorage,
    trainer: BlockTrainer,
    onlooker: Onlooker,
    report: BlockReport,
) -> BlockReport:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            sink = DirectorySink(
                storage,
                task.block,
                stopping=onlooker.stopping,
                report=onlooker.recorded,
                on_commit=onlooker.committed,
            )
            trainer.train(task.block, sink, until=task.until, progress=onlooker.advanced)
        except (DamagedRunError, RunInUseError):
            raise
        except Exception as error:
            if attempt < ATTEMPTS and not out_of_memory(error) and not is_disk_error(error):
                continue
            onlooker.raised(task.block, error)
            return replace(report, step=storage.committed(task.block)).with_error(error, attempt)
        else:
            break
    step = storage.committed(task.block)
    return replace(report, outcome=FINISHED if storage.finished(task.block) else STOPPED, step=step)


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, in the words of Python or of torch.

    >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    (True, True)
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    return (
        isinstance(error, MemoryError) or "OutOfMemoryError" in names or "DefaultCPUAllocator" in str(error)
    )
