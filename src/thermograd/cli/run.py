"""`thermograd run`: config files to run directories."""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, INCOMPLETE, USAGE
from thermograd.cli.progress_display import ProgressDisplay
from thermograd.discover import nearest
from thermograd.errors import ConfigError, ThermogradError
from thermograd.store import lock

if TYPE_CHECKING:
    from thermograd.ensemble.preparation import Prepared
    from thermograd.store.run import Run

_FLAGS = (
    "--out",
    "--executor",
    "--workers",
    "--dry-run",
    "--json",
    "--allow-import",
    "--quiet",
    "--traceback",
)
Overrides = list[tuple[str, str]]


def run(
    *config: Annotated[str, Parameter(allow_leading_hyphen=True)],
    out: Path | None = None,
    executor: str | None = None,
    workers: int | None = None,
    dry_run: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    allow_import: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Run the experiment of each config file in a run directory; an existing run is gone on with.

    The last line on stdout is the run directory.

    Args:
        config: TOML files; any key can be changed: --KEY.PATH VALUE, as in --dynamics.learning_rate 0.02.
        out: run directory, with one config only; runs/NAME-IDENTITY if it is not given.
        executor: who trains the blocks: inline (here, the default), process, dask, or submitit (Slurm); options of a kind
            by --executor.OPTION VALUE, all told by thermograd list plugins KIND.
        workers: how many blocks at once, for the kinds that have workers.
        dry_run: check all files and say what the runs would take; write nothing.
        json: print one JSON object.
        allow_import: allow kinds of the form module:name, which import code.

    Returns:
        Exit code.

    Raises:
        ConfigError: a config or an option cannot be used.
    """
    files, overrides = split_words(config)
    if executor is not None:
        overrides.append(("executor.kind", executor))
    if workers is not None:
        overrides.append(("executor.workers", str(workers)))
    if not files:
        message = "give at least one config file: thermograd run CONFIG"
        raise ConfigError(message)
    if out is not None and len(files) > 1:
        message = f"--out names one run directory, but {len(files)} configs were given; without it each gets its own"
        raise ConfigError(message)
    if dry_run:
        return _dry_run(files, overrides, out, as_json=json, allow_import=allow_import)
    if out is not None and out.is_dir():
        lock.refuse_if_held(out)  # before torch is imported
    prepared = [_prepared(file, overrides, out, allow_import=allow_import) for file in files]
    return max(_train(entry, as_json=json) for entry in prepared)


def split_words(words: Sequence[str], flags: Sequence[str] = _FLAGS) -> tuple[list[str], Overrides]:
    """Config files, and overrides `--KEY.PATH VALUE` or `--KEY.PATH=VALUE`.

    Args:
        words: what is left when the options are taken out.
        flags: these options, for errors.

    Returns:
        Files, and (dotted path, text).

    Raises:
        ConfigError: an option without a value, or one that is neither an option nor a key.

    >>> split_words(["a.toml", "--dynamics.momentum", "-0.5", "--seed=3"])
    (['a.toml'], [('dynamics.momentum', '-0.5'), ('seed', '3')])
    """
    files: list[str] = []
    overrides: Overrides = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            files.append(word)
            continue
        key, equals, value = word.removeprefix("--").partition("=")
        mistyped = "." not in key and difflib.get_close_matches(f"--{key}", flags, cutoff=0.8)
        if not word.startswith("--") or not key or mistyped:
            message = f"unknown option {word}. {nearest(word, flags)}"
            raise ConfigError(message)
        if not equals:
            following = next(rest, None)
            if following is None or following.startswith("--"):
                message = f"unknown option {word}, or its value is missing. {nearest(word, flags)}"
                raise ConfigError(message)
            value = following
        overrides.append((key, value))
    return files, overrides


def show_run(finished: Run, *, as_json: bool) -> int:
    """Say how a run ended, its directory last.

    Args:
        finished: the run.
        as_json: as one JSON object.

    Returns:
        Exit code: 1 if a block failed or the run is not complete.
    """
    outcome = finished.outcome
    counts = {
        label: int((outcome == code).sum())
        for code, label in enumerate(("pending", "finished", "diverged", "failed"))
    }
    for note in finished.notes:
        terminal.say(note)
    if as_json:
        content: dict[str, Any] = {
            "run": str(finished.path),
            "state": finished.state,
            "outcome": counts,
            "notes": finished.notes,
            "failures": [
                {"block": entry.block, "kind": entry.kind, "message": entry.message}
                for entry in finished.failures
            ],
        }
        terminal.result_json(content)
    else:
        terminal.say(str(finished))
        terminal.result(str(finished.path))
    return DONE if counts["failed"] == counts["pending"] == 0 else INCOMPLETE


def _prepared(file: str, overrides: Overrides, out: Path | None, *, allow_import: bool) -> Prepared:
    from thermograd.ensemble.config import load_config  # here, so that --help needs no torch
    from thermograd.ensemble.preparation import prepare_run

    return prepare_run(load_config(file, overrides, allow_import=allow_import), file, out)


def _train(prepared: Prepared, *, as_json: bool) -> int:
    from thermograd.ensemble.directory_run import train_in_directory
    from thermograd.ensemble.launch import Launch

    with ProgressDisplay(str(prepared.path)) as display:
        launch = Launch(
            executor=prepared.config.executor,
            options=prepared.config.store,
            name=prepared.config.name or None,
            show=display.show,
            say=display.say,
            command=shlex.join(["thermograd", *sys.argv[1:]]),
        )
        finished = train_in_directory(prepared.trainer, prepared.path, launch)
    return show_run(finished, as_json=as_json)


def _dry_run(
    files: list[str], overrides: Overrides, out: Path | None, *, as_json: bool, allow_import: bool
) -> int:
    report: list[dict[str, Any]] = []
    for file in files:
        entry: dict[str, Any] = {"file": file, "ok": True, "errors": []}
        try:
            entry |= _planned(_prepared(file, overrides, out, allow_import=allow_import), as_json=as_json)
        except ThermogradError as error:
            problems = getattr(error, "problems", ()) or (("", str(error)),)
            entry |= {"ok": False, "errors": [{"path": path, "message": text} for path, text in problems]}
            if not as_json:
                terminal.complain(str(error))
        report.append(entry)
    if as_json:
        terminal.result_json({"files": report})
    return DONE if all(entry["ok"] for entry in report) else USAGE


def _planned(prepared: Prepared, *, as_json: bool) -> dict[str, Any]:
    """What a run would take; printed unless it becomes JSON."""
    plan = {
        "run": str(prepared.path),
        "bytes": prepared.bytes,
        "files": prepared.files,
        "memory_per_worker": prepared.memory,
        "engine": prepared.header.reason,
    }
    if not as_json:
        terminal.result(
            f"{prepared.source}: {prepared.header.trajectories} trajectories × {prepared.header.steps} steps in "
            f"{prepared.header.blocks} blocks; {prepared.header.reason}"
        )
        terminal.result(
            f"  {prepared.bytes / 1e6:.3g} MB before compression, {prepared.files} files, "
            f"{prepared.memory / 1e6:.3g} MB of memory per worker, in {prepared.path}"
        )
    return plan
