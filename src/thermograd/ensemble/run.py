"""`run` and `resume`: train an ensemble, in memory or in a run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.ensemble.directory_run import run_in_directory
from thermograd.ensemble.executors.choice import executor_of
from thermograd.ensemble.experiment import Experiment, differing_fields
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.progress import ProgressMeter
from thermograd.ensemble.progress_line import shown
from thermograd.ensemble.sink_log import SinkLog
from thermograd.ensemble.training_loop import Trainer, divergence_note
from thermograd.errors import ConfigError, ExperimentMismatchError
from thermograd.numerics.argument_kind import check_path, value_in_words
from thermograd.numerics.whole_number import check_whole_number
from thermograd.store.memory import MemoryStorage
from thermograd.store.run import Run
from thermograd.store.sinks import sink_of

if TYPE_CHECKING:
    from thermograd.protocols import Executor


def run(
    experiment: Experiment | None = None,
    store: str | Path | None = None,
    executor: Executor | str | Mapping[str, Any] | None = None,
    *,
    until: int | None = None,
    resume: Run | None = None,
    name: str | None = None,
    sink: Any = None,
    progress: Callable[[int, int], None] | bool | None = None,
) -> Run:
    """Train an ensemble and return what it recorded.

    Args:
        experiment: what to train; may be omitted with `resume`.
        store: path of the run directory; None keeps everything in memory.
        executor: who runs the blocks, with a store: None = here; the name of a kind, "process" for one; a mapping
            with `kind` and its options; a kind such as `Process(workers=4)`; or an object with `submit`.
        until: stop after that many steps, with a checkpoint.
        resume: an incomplete run in memory to go on with; it stays as it is.
        name: name of the run; the problem's if None.
        sink: logs the mean over trajectories of every recorded number, once all blocks have reached its time: a W&B,
            TensorBoard or MLflow object, a path `*.jsonl` or `*.csv`, or a function of (dict, step); see `sink_of`.
            A run directory that goes on logs what is new since then.
        progress: called with (block, step) now and then; or True, for a line with the share done and the time left, where
            stderr is a terminal.

    Returns:
        The `Run`. With a store that holds the same experiment, it is resumed, or returned if finished.

    Raises:
        ValueError: the experiment cannot run, or the arguments contradict each other.
        ExperimentMismatchError: store or `resume` hold another experiment; names the fields that differ.
        EngineUnavailableError: an engine or executor asked for by name cannot run.
        MemoryLimitError: a run in memory would not fit.
        ConfigError: an executor that does not exist, or workers elsewhere without a store; or a sink that is none.

    >>> from thermograd.problems import Quadratic
    >>> result = run(Experiment(Quadratic(), trajectories=2, steps=3, seed=1))
    >>> result["train_loss"].shape, result.complete
    ((2, 2), True)
    """
    kind = executor_of(executor)
    logger = None if sink is None else sink_of(sink)
    if until is not None:
        check_whole_number("until", until, 0, of="steps")
    if store is not None:
        check_path("store", store)
        if resume is not None:
            message = (
                "resume= continues a run in memory; a run directory resumes by itself: give store= alone"
            )
            raise ValueError(message)
        with shown(progress) as (tell, show):
            launch = Launch(executor=kind, sink=logger, show=show)
            return run_in_directory(
                _required(experiment), store, until=until, name=name, progress=tell, launch=launch
            )
    if kind.remote:
        message = "executor: workers write into a run directory, so they need one: give store=PATH too"
        raise ConfigError(message, (("executor", message),))
    storage = _storage(experiment, resume, name)
    with shown(progress) as (tell, show):
        _train(storage, until, tell, ProgressMeter(storage.header, show), logger)
    trainer: Trainer = storage.trainer
    note = divergence_note(trainer.experiment, storage.diverged_at())
    storage.set_notes([*trainer.notes, *([note] if note else [])])
    return Run(storage)


def _train(
    storage: MemoryStorage,
    until: int | None,
    tell: Callable[[int, int], None] | None,
    meter: ProgressMeter,
    logger: Callable[[Mapping[str, Any], int], object] | None,
) -> None:
    """Every block in turn, in memory."""
    reached = storage.committed().tolist()
    for block, step in enumerate(reached):
        meter.already(block, step)
    log = None if logger is None else SinkLog(logger, min(reached))

    def advanced(block: int, step: int) -> None:
        reached[block] = step
        meter.recorded(block, step, {})
        if tell is not None:
            tell(block, step)
        if log is not None:
            log.tell(lambda: Run(storage), reached)

    for block in range(storage.header.blocks):
        storage.trainer.train(block, storage.sink(block), until=until, progress=advanced)
    if log is not None:
        log.tell(lambda: Run(storage), now=True)


def _storage(experiment: Experiment | None, resume: Run | None, name: str | None) -> MemoryStorage:
    if resume is None:
        trainer = Trainer(_required(experiment))
        trainer.check_memory()
        return MemoryStorage(trainer.header(name or ""), trainer)
    source = getattr(resume, "source", None)
    if not isinstance(source, MemoryStorage):
        message = "resume= takes a run in memory; for a run directory call thermograd.resume(path)"
        raise ValueError(message)
    known: Any = source.trainer.experiment
    if experiment is not None:
        fields = differing_fields(experiment, known)
        if fields:
            shown = "; ".join(
                f"{entry}: {getattr(known, entry)!r} in the run, {getattr(experiment, entry)!r} given"
                for entry in fields
            )
            message = f"the run to resume is of another experiment ({shown}); without resume= the one given starts anew"
            raise ExperimentMismatchError(message)
    return source.copy()


def _required(experiment: Experiment | None) -> Experiment:
    if not isinstance(experiment, Experiment):
        got = "a config" if hasattr(experiment, "experiment") else value_in_words(experiment)
        what = ", its .experiment" if hasattr(experiment, "experiment") else ""
        message = f"experiment is {got}; give a thermograd.Experiment{what}"
        raise ValueError(message)
    return experiment
