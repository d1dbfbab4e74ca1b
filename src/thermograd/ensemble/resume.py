"""`resume`: go on with a run directory from what it says about itself."""

from __future__ import annotations

import contextlib
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from thermograd.ensemble.config import built_experiment
from thermograd.ensemble.directory_creation import EXPERIMENT, LARGEST_EXPERIMENT
from thermograd.ensemble.directory_run import train_in_directory
from thermograd.ensemble.executors.choice import executor_of
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import ConfigError, DamagedRunError
from thermograd.numerics.argument_kind import check_path
from thermograd.store import lock
from thermograd.store.manifest import read_manifest
from thermograd.store.printable import printable
from thermograd.store.run import Run
from thermograd.store.run_file import read_run_file


def resume(
    path: str | Path,
    *,
    executor: Any = None,
    repair: bool = False,
    strict: bool = False,
    experiment: Experiment | None = None,
    allow_import: bool = False,
    launch: Launch | None = None,
) -> Run:
    """Go on with a run after any interruption; the arrays become those of an uninterrupted run, bit for bit.

    Failed blocks are tried again. A finished run is returned as it is.

    Args:
        path: the run directory.
        executor: who runs the blocks: None or "inline" = here; the name of a kind, "process" for one, a mapping with
            `kind` and its options, or an object with `submit`.
        repair: verify everything and recompute what cannot be trusted.
        strict: refuse if versions or processor are not those of the first start.
        experiment: needed only when the run holds Python objects that no text can name.
        allow_import: import the `module:name` kinds that the run recorded.
        launch: how to report, for the command line.

    Returns:
        The run.

    Raises:
        ForeignDirectoryError: not a run.
        RunInUseError: somebody else works on it.
        DamagedRunError: a file cannot be trusted, without `repair`.
        ConfigError: `experiment` or `allow_import` is needed.
        ExperimentMismatchError: `experiment` is another one.
        EnvironmentChangedError: with `strict`.

    The remaining errors are those of `thermograd.run`.

    >>> import tempfile
    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> experiment = tg.Experiment(Quadratic(), trajectories=2, steps=20, engine="eager")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     begun = tg.run(experiment, store=f"{folder}/run", until=5).state
    ...     run = resume(f"{folder}/run")
    ...     begun, run.state, (run["train_loss"] == tg.run(experiment)["train_loss"]).all().tolist()
    ('interrupted', 'finished', True)
    """
    check_path("path", path)
    run = Path(path)
    kind = executor_of(executor)
    if run.is_dir():
        lock.refuse_if_held(run)
    if experiment is None:
        experiment, name = _recorded(run, repair=repair, allow_import=allow_import)
    else:
        name = None
        _refuse_foreign(run, repair=repair)
    launch = replace(launch or Launch(), repair=repair, strict=strict, name=name, executor=kind)
    return train_in_directory(Trainer(experiment), run, launch)


def _refuse_foreign(run: Path, *, repair: bool) -> None:
    """Only what is a run is touched; with `repair` its manifest may be damaged."""
    with contextlib.suppress(*((DamagedRunError,) if repair else ())):
        read_manifest(run)


def _recorded(run: Path, *, repair: bool, allow_import: bool) -> tuple[Experiment, str | None]:
    """The experiment a run holds, and its name."""
    try:
        manifest = read_manifest(run)
    except DamagedRunError:
        if not repair:
            raise
        return _from_text(run, allow_import=allow_import)
    if manifest.python_objects:
        message = (
            f"{printable(run)} holds Python objects that no text can name ({', '.join(manifest.python_objects)}); "
            "resume it from Python: thermograd.resume(path, experiment=...)"
        )
        raise ConfigError(message, (("experiment", message),))
    return built_experiment(manifest.experiment, str(run), allow_import=allow_import), manifest.name


def _from_text(run: Path, *, allow_import: bool) -> tuple[Experiment, str | None]:
    """The experiment of a run whose manifest is lost."""
    try:
        written = read_run_file(run, run / EXPERIMENT, LARGEST_EXPERIMENT)
        content = tomllib.loads(written.decode("utf-8"))
    except (OSError, ValueError, RecursionError, DamagedRunError) as error:
        message = (
            f"manifest.json and {EXPERIMENT} of {printable(run)} are both unreadable ({printable(error)}), so nobody "
            "knows what was run; open_run(path, salvage=True) needs the manifest too. Restore one of them, "
            "or give experiment= from Python"
        )
        raise DamagedRunError(message, ("manifest.json", EXPERIMENT)) from error
    name = content.pop("name", None)
    for key in ("store", "executor"):
        content.pop(key, None)
    experiment = built_experiment(content, str(run / EXPERIMENT), allow_import=allow_import)
    return experiment, name if isinstance(name, str) else None
