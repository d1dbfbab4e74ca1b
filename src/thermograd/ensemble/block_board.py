"""What the coordinator knows of its blocks: who is at work, how far, what failed, and whether to stop."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from thermograd.ensemble.block_report import BUSY, DAMAGED, DISK, FAILED, FINISHED, STALE, BlockReport
from thermograd.ensemble.block_work import BlockTask, BlockTrainer, work_on
from thermograd.ensemble.executors.kind import ExecutorKind
from thermograd.ensemble.failure_policy import how_it_died, poison, record_failure, too_many, with_advice
from thermograd.ensemble.interruption import Interruption
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.progress import ProgressMeter
from thermograd.ensemble.sink_log import SinkLog
from thermograd.errors import (
    BlockFailedError,
    DamagedRunError,
    EnvironmentChangedError,
    ForeignDirectoryError,
    RunInUseError,
)
from thermograd.store.block_progress import BlockProgress, clear_progress, read_progress
from thermograd.store.disk_space import release_reserve
from thermograd.store.events import append_event
from thermograd.store.layout import Checkpoint
from thermograd.store.printable import printable
from thermograd.store.reader import open_run
from thermograd.store.writer import DirectoryStorage


class BlockBoard:
    """Listens to the dispatch, and to blocks that are trained here; notes everything in the events of the run.

    Args:
        storage: the open run.
        trainer: trains blocks here.
        kind: where blocks run.
        launch: who is told.
        meter: counts steps.
        interruption: whether a signal came.

    Attributes:
        failed: reports of the blocks that failed in this start.
        notes: what else a reader of the numbers should know.
    """

    def __init__(
        self,
        storage: DirectoryStorage,
        trainer: BlockTrainer,
        kind: ExecutorKind,
        launch: Launch,
        meter: ProgressMeter,
        interruption: Interruption,
    ) -> None:
        self.failed: dict[int, BlockReport] = {}
        self.notes: list[str] = []
        self._storage = storage
        self._path: Path = storage.path
        self._generation = storage.manifest.generation
        self._trainer = trainer
        self._kind = kind
        self._launch = launch
        self._meter = meter
        self._interruption = interruption
        self._raised: dict[int, Exception] = {}
        self._busy: list[BlockReport] = []
        self._begun: dict[int, int] = {}
        self._stop: BaseException | None = None
        reached = int(storage.all_committed().min())
        self._log = None if launch.sink is None else SinkLog(launch.sink, reached)

    def train_here(self, run: str, block: int, generation: int) -> BlockReport:
        """The task of the inline executor, with the live objects."""
        task = BlockTask(Path(run), block, generation, self._launch.until)
        return work_on(task, lambda: (self._storage, self._trainer), self)

    def raise_stop(self) -> None:
        """End the run, if something that concerns all of it ended it.

        Raises:
            BaseException: that.
        """
        if self._stop is not None:
            raise self._stop

    def log(self, *, now: bool = True) -> None:
        """Send the means to the sink, if there is one."""
        if self._log is not None:
            self._log.tell(lambda: open_run(self._path), now=now)

    def busy_error(self) -> RunInUseError | None:
        """The error of blocks that somebody else still owns."""
        if not self._busy:
            return None
        return RunInUseError(f"{self._busy[0].message}; the other blocks are done. Resume when it has left")

    def with_cause(self, error: BlockFailedError) -> BlockFailedError:
        """The error with the exception it came from, where that was raised in this process."""
        error.__cause__ = next((self._raised[block] for block in self.failed if block in self._raised), None)
        return error

    # what the dispatch tells

    def halted(self) -> bool:
        """Whether no further block should begin."""
        return self._stop is not None or self._interruption.stopping()

    def at_work(self, block: int) -> bool:
        """Whether a worker elsewhere has begun a block and not ended it."""
        return self._progress(block) is not None

    def reported(self, report: BlockReport) -> None:
        """Take what came of a block."""
        block = report.block
        if self._foreign(report):
            return
        self._compare(report)
        if report.outcome in {FINISHED, FAILED} or report.step >= 0:
            self._note_begun(block)
            self._note_commit(block, report.step)
        if report.outcome == FINISHED:
            if self._kind.remote:
                self._meter.heard(block, report.step, report.mean, report.diverged)
            self._meter.finished(block)
            append_event(self._path, "block_finished", block=block)
        elif report.outcome == FAILED:
            self._fail(report)
        elif report.outcome == BUSY:
            self._busy.append(report)
            self._launch.say(report.message)
        elif report.outcome == STALE:
            self._end_all(RunInUseError(report.message))
        elif report.outcome == DISK:
            release_reserve(self._path)
            self._end_all(report.disk_error())
        elif report.outcome == DAMAGED:
            self._end_all(DamagedRunError(report.message, report.damage))

    def looked(self, blocks: Iterable[int]) -> None:
        """Read how far blocks elsewhere have come, and show it."""
        if not self._kind.remote:
            return
        for block in blocks:
            progress = self._progress(block)
            if progress is not None:
                self._note_begun(block)
                self._note_commit(block, progress.committed)
                self._meter.heard(block, progress.step, progress.mean, progress.diverged)
        self._meter.show_in_time()

    def lost(self, suspects: list[int], error: BaseException) -> None:
        """A worker died."""
        for block in suspects:
            self._note_begun(block)
            clear_progress(self._path, block)
        how = how_it_died(error)
        append_event(self._path, "worker_lost", blocks=suspects, how=how)
        blocks = f"block{'s' if len(suspects) > 1 else ''} {', '.join(map(str, suspects))}"
        when = f"with {blocks} at work" if suspects else "before it began a block"
        self._launch.say(f"a worker died ({how}) {when}; the run goes on")

    def poisoned(self, block: int, error: BaseException) -> None:
        """A block lost its worker twice."""
        self._fail(poison(block, error, self._storage.committed(block)))

    # what a block that is trained here tells

    def stopping(self) -> bool:
        """Whether to stop at this step boundary."""
        return self._interruption.stopping()

    def begun(self, block: int) -> None:
        """The block is owned."""
        self._note_begun(block)

    def advanced(self, block: int, step: int) -> None:
        """A step was reached."""
        if self._launch.progress is not None:
            self._launch.progress(block, step)

    def recorded(self, block: int, step: int, values: dict[str, npt.NDArray[Any]]) -> None:
        """Records were taken."""
        self._meter.recorded(block, step, values)

    def committed(self, block: int, checkpoint: Checkpoint) -> None:
        """Records and checkpoint are permanent."""
        self._meter.committed(block, checkpoint)
        self._note_commit(block, checkpoint.step)

    def ended(self, block: int) -> None:
        """The block is about to be let go of."""

    def raised(self, block: int, error: Exception) -> None:
        """The block was given up for an exception."""
        self._raised[block] = error

    def _progress(self, block: int) -> BlockProgress | None:
        return read_progress(self._path, block, self._generation)

    def _note_begun(self, block: int) -> None:
        if block not in self._begun:
            self._begun[block] = -1
            append_event(self._path, "block_started", block=block)

    def _note_commit(self, block: int, step: int) -> None:
        if step > self._begun.get(block, -1):
            self._begun[block] = step
            append_event(self._path, "checkpoint", block=block, step=step)
            self.log(now=False)
            if self._launch.progress is not None and self._kind.remote:
                self._launch.progress(block, step)

    def _foreign(self, report: BlockReport) -> bool:
        """Whether a worker sees another run at this path, or none: then its file system is not ours."""
        if report.run_id == self._storage.manifest.run_id or not self._kind.remote:
            return False
        if not report.run_id and report.kind not in {"ForeignDirectoryError", "FileNotFoundError"}:
            return False
        sees = "another run" if report.run_id else "no run"
        message = (
            f"a worker on host {report.host} sees {sees} at {self._path}; all workers need the same file system, "
            "with the run under the same path"
        )
        self._end_all(ForeignDirectoryError(message))
        return True

    def _compare(self, report: BlockReport) -> None:
        """Note that a machine is not like the one that the run began on; this one was compared at the start."""
        if not report.changed or report.host == socket.gethostname():
            return
        note = (
            f"bits may differ in the last place on host {printable(report.host)}: {printable(report.changed)}"
        )
        if note in self.notes:
            return
        self.notes.append(note)
        self._launch.say(note)
        if self._launch.strict:
            self._end_all(EnvironmentChangedError(f"{note}; without --strict the run goes on with a note"))

    def _fail(self, report: BlockReport) -> None:
        report = with_advice(report, self._storage.header, workers=self._kind.workers)
        self.failed[report.block] = report
        record_failure(self._storage, report)
        self._launch.say(f"block {report.block} failed: {report.kind}: {report.message}")
        error = too_many(self.failed, self._storage.header.blocks)
        if error is not None:
            self._end_all(self.with_cause(error))

    def _end_all(self, error: BaseException) -> None:
        """Let the others stop at their next step boundary, and end with an error; the first one counts."""
        if self._stop is None:
            self._stop = error
            self._interruption.ask_workers()
