"""Running an experiment in a run directory: create or resume, block by block, through anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from thermograd.ensemble.block_failures import all_failed, attempted, check_share
from thermograd.ensemble.directory_creation import created, new_manifest
from thermograd.ensemble.directory_repair import repair_run
from thermograd.ensemble.environment import changed_data, differences, environment
from thermograd.ensemble.executors import check_executor
from thermograd.ensemble.identity import Description, describe, differing
from thermograd.ensemble.interruption import Interruption
from thermograd.ensemble.progress import Progress, ProgressMeter
from thermograd.ensemble.resume_checks import check_resumable, sweep_leftovers
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import EnvironmentChangedError, ExperimentMismatchError
from thermograd.store import lock
from thermograd.store.disk_space import disk_full, is_disk_error, keep_reserve, release_reserve
from thermograd.store.events import append_event
from thermograd.store.layout import BlockSink, Header
from thermograd.store.manifest import Manifest, read_manifest, write_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.printable import printable
from thermograd.store.reader import open_run
from thermograd.store.run import Run
from thermograd.store.writer import DirectorySink, DirectoryStorage, require_lab

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment


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


@dataclass(frozen=True)
class Launch:
    """How this launch of a run goes.

    Attributes:
        executor: who runs the blocks; None or "inline".
        options: how a new run is written; an existing one keeps its own.
        until: step to stop at.
        name: name of a new run; the problem's if None.
        show: told how far the run has come, four times a second at most.
        progress: called with (block, step) now and then.
        say: told what a person should know, one line each.
        repair: verify everything and recompute what cannot be trusted.
        strict: refuse a changed environment.
        command: the command line, for the record.
    """

    executor: Any = None
    options: StoreOptions = field(default_factory=StoreOptions)
    until: int | None = None
    name: str | None = None
    show: Callable[[Progress], None] | None = None
    progress: Callable[[int, int], None] | None = None
    say: Callable[[str], None] = lambda line: None
    repair: bool = False
    strict: bool = False
    command: str = ""


def run_in_directory(
    experiment: Experiment,
    path: str | Path,
    *,
    until: int | None = None,
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    launch: Launch | None = None,
) -> Run:
    """Train an experiment in a run directory; what `thermograd.run(..., store=path)` does.

    Args:
        experiment: what to train.
        path: the run directory.
        until: step to stop at.
        name: name of a new run; the problem's if None.
        progress: called with (block, step) now and then.
        launch: everything else about this launch.

    Returns:
        The run.
    """
    launch = replace(launch or Launch(), until=until, name=name, progress=progress)
    return train_in_directory(Trainer(experiment), path, launch)


def train_in_directory(trainer: BlockTrainer, path: str | Path, launch: Launch | None = None) -> Run:
    """Create the run at `path`, or go on with it, and train what is missing.

    Args:
        trainer: trains the blocks of the experiment.
        path: the run directory.
        launch: how.

    Returns:
        The run; incomplete after `until`, and where blocks failed (`run.failures`).

    Raises:
        ExperimentMismatchError: the run there is of another experiment; names the fields.
        RunInUseError: somebody else works on it.
        ForeignDirectoryError: something else is there.
        DamagedRunError: a file cannot be trusted.
        EnvironmentChangedError: with `strict`.
        DiskFullError: the disk refused; resumable.
        BlockFailedError: every block failed, or more than 20 % of five or more.
        InterruptedRunError: a signal; resumable.
    """
    launch = launch or Launch()
    check_executor(launch.executor)
    require_lab()
    run = Path(path).absolute()
    header = trainer.header(launch.name or "")
    description = describe(trainer.experiment)
    try:
        with _owned(run, trainer, header, description, launch) as manifest:
            return _Coordinator(run, trainer, header, manifest, launch).run()
    except Exception as error:
        if not is_disk_error(error):
            raise
        needed = header.trajectories * sum(spec.times.size * spec.record_bytes for spec in header.arrays)
        full = disk_full(run, needed, error)
        raise full from error


@contextlib.contextmanager
def _owned(
    run: Path, trainer: BlockTrainer, header: Header, description: Description, launch: Launch
) -> Generator[Manifest]:
    """The run directory, made if need be, with its lock held."""
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        manifest = new_manifest(header, description, launch.options, trainer.notes)
        with created(run, header, manifest):
            yield manifest
        return
    if not launch.repair:
        check_same(run, read_manifest(run), description)
    with lock.hold(run, launch.say) as dead:
        if dead is not None:
            append_event(run, "lock_taken", host=dead.host, pid=dead.pid)
        if launch.repair:
            fresh = partial(new_manifest, header, description, notes=trainer.notes)
            for line in repair_run(run, header, description, fresh):
                launch.say(f"repaired: {line}")
        manifest = read_manifest(run)
        check_same(run, manifest, description)
        yield manifest


def check_same(run: Path, manifest: Manifest, description: Description) -> None:
    """Refuse to continue a run with another experiment; another engine goes on with it, with a note.

    Raises:
        ExperimentMismatchError: names the fields that differ, with both values.
    """
    if manifest.identity == description.identity:
        return
    fields = differing(manifest.experiment, description.content) or ("the record of the experiment itself",)
    if all(entry.startswith("engine: ") for entry in fields):
        return
    message = f"{printable(run)} holds another experiment: {'; '.join(fields)}. Give another directory"
    raise ExperimentMismatchError(message)


class _Coordinator:
    """One launch of a run whose lock is held."""

    def __init__(
        self, run: Path, trainer: BlockTrainer, header: Header, manifest: Manifest, launch: Launch
    ) -> None:
        self._path = run
        self._trainer = trainer
        self._header = header
        self._launch = launch
        self._manifest = manifest
        self._failed: dict[int, Exception] = {}

    def run(self) -> Run:
        """Train what is missing."""
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
        )
        write_manifest(self._path, self._manifest)
        append_event(self._path, "started" if first else "resumed", generation=self._manifest.generation)

    def _work(self, storage: DirectoryStorage, pending: list[int]) -> BaseException | None:
        """Run the blocks; what to raise when everything is written."""
        meter = ProgressMeter(self._header, self._launch.show)
        left = set(pending)
        for block, step in enumerate(storage.all_committed().tolist()):
            meter.already(block, step)
            if block not in left:
                meter.finished(block)
        executor = check_executor(self._launch.executor)
        with Interruption(self._path, self._manifest.generation, self._launch.say) as interruption:
            for block in pending:
                if interruption.stopping():
                    break
                executor.submit(self._block, storage, block, meter, interruption).result()
                check_share(self._failed, self._header.blocks)
            return self._end(storage, interruption)

    def _block(
        self, storage: DirectoryStorage, block: int, meter: ProgressMeter, interruption: Interruption
    ) -> None:
        append_event(self._path, "block_started", block=block)
        storage.retry(block)

        def committed(_: int, checkpoint: Any) -> None:
            meter.committed(block, checkpoint)
            append_event(self._path, "checkpoint", block=block, step=checkpoint.step)

        def train() -> None:
            sink = DirectorySink(
                storage, block, stopping=interruption.stopping, report=meter.recorded, on_commit=committed
            )
            self._trainer.train(block, sink, until=self._launch.until, progress=self._launch.progress)

        error = attempted(storage, block, train)
        if error is not None:
            self._failed[block] = error
            self._launch.say(f"block {block} failed: {type(error).__name__}: {error}")
        elif storage.finished(block):
            meter.finished(block)
            append_event(self._path, "block_finished", block=block)

    def _end(self, storage: DirectoryStorage, interruption: Interruption) -> BaseException | None:
        """Say how it ended: failed, stopped, or finished."""
        unfinished = storage.unfinished()
        diverged_at = open_run(self._path).diverged_at
        diverged = int((diverged_at >= 0).sum())
        notes = self._manifest.notes
        if diverged:
            note = f"{diverged} of {diverged_at.size} trajectories diverged by step {diverged_at.max()}"
            rate = getattr(getattr(self._trainer.experiment, "dynamics", None), "learning_rate", None)
            note += "" if rate is None else f"; learning_rate = {rate}"
            notes = (*(entry for entry in notes if " trajectories diverged by step " not in entry), note)
            append_event(self._path, "diverged", trajectories=diverged)
        stopped = bool(set(unfinished) - set(self._failed))
        state = "interrupted" if stopped else ("failed" if self._failed else "finished")
        self._manifest = self._manifest.replace(state=state, notes=notes)
        write_manifest(self._path, self._manifest)
        append_event(self._path, "interrupted" if stopped else "finished", failed=sorted(self._failed))
        if state == "finished":
            release_reserve(self._path)
        if stopped and interruption.signal is not None:
            return interruption.error()
        if len(self._failed) == self._header.blocks:
            return all_failed(self._failed, f"all {self._header.blocks} blocks failed")
        return None

    def _broken(self, error: BaseException) -> None:
        """Leave a truthful manifest behind, whatever happened; the disk may refuse even that."""
        from_failures = (
            bool(self._failed) and not isinstance(error, KeyboardInterrupt) and not is_disk_error(error)
        )
        state = "failed" if from_failures else "interrupted"
        with contextlib.suppress(OSError):
            if is_disk_error(error):
                release_reserve(self._path)
            if read_manifest(self._path).generation != self._manifest.generation:
                return
            write_manifest(self._path, self._manifest.replace(state=state))
            append_event(self._path, "interrupted", why=f"{type(error).__name__}: {error}")
