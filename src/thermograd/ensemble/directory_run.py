"""Running an experiment in a run directory: create or resume, block by block, through anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd import ensemble  # its lazy door: the core works without what a config needs
from thermograd.ensemble.block_work import BlockTrainer
from thermograd.ensemble.coordinator import Coordinator
from thermograd.ensemble.directory_creation import created, new_manifest
from thermograd.ensemble.directory_repair import repair_run
from thermograd.ensemble.executors.choice import executor_of
from thermograd.ensemble.executors.command_words import command_words
from thermograd.ensemble.executors.kind import ExecutorKind
from thermograd.ensemble.identity import Description, describe, differing
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import ConfigError, ExperimentMismatchError
from thermograd.store import lock
from thermograd.store.disk_space import disk_full, is_disk_error
from thermograd.store.events import append_event
from thermograd.store.layout import Header
from thermograd.store.manifest import Manifest, read_manifest
from thermograd.store.printable import printable
from thermograd.store.run import Run
from thermograd.store.writer import require_lab

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

__all__ = ["Launch", "check_same", "run_in_directory", "train_in_directory"]


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
        ConfigError: an executor that does not exist or cannot work, or one that works elsewhere for Python objects
            that no text can name.
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
    kind = executor_of(launch.executor)
    require_lab()
    run = Path(path).absolute()
    header = trainer.header(launch.name or "")
    description = describe(trainer.experiment)
    if kind.remote:
        check_told_by_text(description)
    try:
        with _owned(run, trainer, header, description, launch, kind) as manifest:
            return Coordinator(run, trainer, header, manifest, launch, kind).run()
    except Exception as error:
        if not is_disk_error(error):
            raise
        needed = header.trajectories * sum(spec.times.size * spec.record_bytes for spec in header.arrays)
        full = disk_full(run, needed, error, command_words(kind))
        raise full from error


@contextlib.contextmanager
def _owned(
    run: Path,
    trainer: BlockTrainer,
    header: Header,
    description: Description,
    launch: Launch,
    kind: ExecutorKind,
) -> Generator[Manifest]:
    """The run directory, made if need be, with its lock held."""
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        threads = getattr(kind, "threads_per_worker", 1)
        manifest = new_manifest(header, description, launch.options, trainer.notes).replace(
            threads_per_worker=threads
        )
        kind.check()
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
        if manifest.state != "finished":  # else it is returned as it is, and nobody is needed
            kind.check()
        yield manifest


def check_told_by_text(description: Description) -> None:
    """Refuse workers elsewhere for what they could not make again from the manifest.

    Raises:
        ConfigError: names the objects, or the fields that come out otherwise.
    """
    why = _untold(description)
    if why is None:
        return
    message = (
        f"executor.kind: workers elsewhere read the experiment from the run directory, but {why}. Use the inline "
        "executor (the default), or name them: classes and functions of a module that can be imported"
    )
    raise ConfigError(message, (("executor.kind", message.removeprefix("executor.kind: ")),))


def _untold(description: Description) -> str | None:
    """What the text of an experiment does not tell, None if it tells all."""
    if description.python_objects:
        return f"it holds Python objects that no text can name ({', '.join(description.python_objects)})"
    try:
        again = describe(ensemble.built_experiment(description.content, "its text", allow_import=True))
    except ConfigError as error:
        return f"it cannot be made again from there ({error})"
    if again.identity == description.identity:
        return None
    return f"made again from there it is another one ({'; '.join(differing(description.content, again.content))})"


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
    causes = tuple(entry for entry in fields if not entry.startswith("initial_weights_sha256: ")) or fields
    hint = ""
    if any('"__main__:' in entry for entry in causes):
        hint = (
            ". What a script defines is another thing when the script is imported: go on by the script itself"
        )
    message = f"{printable(run)} holds another experiment: {'; '.join(causes)}{hint}. Give another directory"
    raise ExperimentMismatchError(message)
