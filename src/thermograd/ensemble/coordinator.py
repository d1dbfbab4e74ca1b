"""One launch of a run: it declares itself, has the blocks run, and says how it ended."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from thermograd.ensemble.block_board import BlockBoard
from thermograd.ensemble.block_work import BlockTrainer
from thermograd.ensemble.dispatch import Dispatch
from thermograd.ensemble.earlier_owners import earlier_owners
from thermograd.ensemble.environment import changed_data, differences, environment
from thermograd.ensemble.executors.command_words import command_words
from thermograd.ensemble.executors.kind import ExecutorKind
from thermograd.ensemble.failure_policy import all_failed, fewer_blocks
from thermograd.ensemble.interruption import Interruption
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.progress import ProgressMeter
from thermograd.ensemble.resume_checks import check_resumable, sweep_leftovers
from thermograd.ensemble.worker import train_block
from thermograd.errors import EnvironmentChangedError
from thermograd.store import lock
from thermograd.store.disk_space import is_disk_error, keep_reserve, release_reserve
from thermograd.store.events import append_event
from thermograd.store.layout import Header
from thermograd.store.manifest import Manifest, read_manifest, write_manifest
from thermograd.store.reader import open_run
from thermograd.store.run import Run
from thermograd.store.writer import DirectoryStorage


class Coordinator:
    """One launch of a run whose lock is held; the only writer of its manifest and its events.

    Args:
        run: the run directory.
        trainer: of its experiment.
        header: what it records.
        manifest: as it is on disk.
        launch: how.
        kind: where blocks run.
    """

    def __init__(
        self,
        run: Path,
        trainer: BlockTrainer,
        header: Header,
        manifest: Manifest,
        launch: Launch,
        kind: ExecutorKind,
    ) -> None:
        self._path = run
        self._trainer = trainer
        self._header = header
        self._launch = launch
        self._manifest = manifest
        self._kind = kind
        self._board: BlockBoard | None = None

    def run(self) -> Run:
        """Train what is missing.

        Returns:
            The run.

        Raises:
            BaseException: what ended it before its end; the run can be resumed.
        """
        first = self._manifest.generation == 0
        check_resumable(
            self._path, self._manifest, self._header, everything=self._launch.repair or self._rebooted
        )
        pending = DirectoryStorage(self._path, self._manifest, self._header).unfinished()
        if not pending and self._manifest.state == "finished":
            return open_run(self._path)
        notes = () if first else self._changed_environment()
        try:
            self._begin(first=first, notes=notes)
            error = self._work(DirectoryStorage(self._path, self._manifest, self._header), pending)
        except BaseException as broken:
            self._broken(broken)
            raise
        if error is not None:
            raise error
        return open_run(self._path)

    @property
    def _rebooted(self) -> bool:
        return self._manifest.boot_id != lock.boot_id()

    def _changed_environment(self) -> tuple[str, ...]:
        """Notes if versions, processor, engine or generated data are not those of the first start.

        Raises:
            EnvironmentChangedError: they are not, and that was to be refused.
        """
        before, now = self._manifest.engine, self._header.engine
        engine = (f"engine {before} → {now}",) if before != now else ()
        found = differences(self._manifest.environment, environment(), compiled=before == now != "eager")
        changed = ", ".join((*engine, *found))
        data = changed_data(self._manifest.notes, self._trainer.notes)
        if (changed or data) and self._launch.strict:
            both = "; ".join(filter(None, (changed, data)))
            message = f"the environment changed ({both}); without --strict the run goes on with a note"
            raise EnvironmentChangedError(message)
        notes = (f"bits may differ in the last place: {changed}",) if changed else ()
        return (*notes, f"the run goes on with other {data}") if data else notes

    def _begin(self, *, first: bool, notes: tuple[str, ...]) -> None:
        """Declare this start; from here on an earlier one that still lives leaves."""
        sweep_leftovers(self._path)
        keep_reserve(self._path)
        for note in notes:
            self._launch.say(note)
        command = (self._launch.command,) if self._launch.command else ()
        self._manifest = self._manifest.replace(
            generation=self._manifest.generation + 1,
            state="running",
            notes=tuple(dict.fromkeys((*self._manifest.notes, *notes))),
            boot_id=lock.boot_id(),
            commands=self._manifest.commands + command,
            executor=tuple(command_words(self._kind)),
        )
        write_manifest(self._path, self._manifest)
        append_event(self._path, "started" if first else "resumed", generation=self._manifest.generation)

    def _work(self, storage: DirectoryStorage, pending: list[int]) -> BaseException | None:
        """Run the blocks; what to raise when everything is written."""
        launch = self._launch
        meter = ProgressMeter(self._header, launch.show)
        left = set(pending)
        for block, step in enumerate(storage.all_committed().tolist()):
            meter.already(block, step, done=block not in left)
        if self._kind.remote:
            look = shlex.join(["thermograd", "watch", str(self._path)])
            launch.say(
                f"{len(pending)} of {self._header.blocks} blocks are given out; to look at them: {look}"
            )
        place = getattr(self._kind, "place", "")
        if place:
            launch.say(place)
        idle = fewer_blocks(self._header, self._kind.workers) if self._kind.remote else None
        if idle is not None:
            launch.say(idle)
        earlier = earlier_owners(self._path, pending) if self._manifest.generation > 1 else ""
        if earlier:
            launch.say(earlier)
        threads = self._manifest.threads_per_worker
        if getattr(self._kind, "threads_per_worker", threads) != threads:
            launch.say(f"threads_per_worker stays {threads}, with which the run began")
        until = launch.until if self._kind.remote else None
        manifest = self._manifest
        resumed_by = (manifest.executor, manifest.python_objects)
        with Interruption(self._path, manifest.generation, launch.say, until, *resumed_by) as interruption:
            self._board = BlockBoard(storage, self._trainer, self._kind, launch, meter, interruption)
            train = train_block if self._kind.remote else self._board.train_here
            Dispatch(self._path, self._manifest.generation, self._kind, train, self._board).work(pending)
            self._board.raise_stop()
            self._board.log()
            return self._end(storage, interruption, self._board)

    def _end(
        self, storage: DirectoryStorage, interruption: Interruption, board: BlockBoard
    ) -> BaseException | None:
        """Say how it ended: failed, stopped, or finished."""
        unfinished = storage.unfinished()
        diverged_at = open_run(self._path).diverged_at
        diverged = int((diverged_at >= 0).sum())
        notes = tuple(dict.fromkeys((*self._manifest.notes, *board.notes)))
        if diverged:
            note = f"{diverged} of {diverged_at.size} trajectories diverged by step {diverged_at.max()}"
            rate = getattr(getattr(self._trainer.experiment, "dynamics", None), "learning_rate", None)
            note += "" if rate is None else f"; learning_rate = {rate}"
            notes = (*(entry for entry in notes if " trajectories diverged by step " not in entry), note)
            append_event(self._path, "diverged", trajectories=diverged)
        stopped = bool(set(unfinished) - set(board.failed))
        state = "interrupted" if stopped else ("failed" if board.failed else "finished")
        self._manifest = self._manifest.replace(state=state, notes=notes)
        write_manifest(self._path, self._manifest)
        append_event(self._path, "interrupted" if stopped else "finished", failed=sorted(board.failed))
        if state == "finished":
            release_reserve(self._path)
        if stopped and interruption.signal is not None:
            return interruption.error()
        if len(board.failed) == self._header.blocks:
            return board.with_cause(all_failed(board.failed, f"all {self._header.blocks} blocks failed"))
        return board.busy_error()

    def _broken(self, error: BaseException) -> None:
        """Leave a truthful manifest behind, whatever happened; the disk may refuse even that."""
        failed = self._board is not None and bool(self._board.failed)
        from_failures = failed and not isinstance(error, KeyboardInterrupt) and not is_disk_error(error)
        state = "failed" if from_failures else "interrupted"
        with contextlib.suppress(OSError):
            if is_disk_error(error):
                release_reserve(self._path)
            if read_manifest(self._path).generation != self._manifest.generation:
                return
            write_manifest(self._path, self._manifest.replace(state=state))
            append_event(self._path, "interrupted", why=f"{type(error).__name__}: {error}")
