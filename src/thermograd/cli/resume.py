"""`thermograd resume`: go on with a run after any interruption."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE
from thermograd.cli.progress_display import ProgressDisplay
from thermograd.cli.run import Overrides, show_run, split_words
from thermograd.discover import nearest
from thermograd.errors import ConfigError

if TYPE_CHECKING:
    from thermograd.store.run import Run

_READ_AT_MOST = 10**9  # bytes; a few seconds
_FLAGS = ("--executor", "--workers", "--repair", "--strict", "--allow-import", "--quiet", "--traceback")


def resume(
    run: Path,
    /,
    *option: Annotated[str, Parameter(allow_leading_hyphen=True)],
    executor: str | None = None,
    workers: int | None = None,
    repair: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    strict: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    allow_import: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Go on with a run; its numbers become those of an uninterrupted run, bit for bit.

    Failed blocks are tried again. A finished run of up to 1 GB is read through, and refused if a chunk is damaged.
    The last line on stdout is the run directory.

    Args:
        run: the run directory.
        option: what the executor is to be told: --executor.OPTION VALUE, as in --executor.address tcp://head:8786.
        executor: who trains the blocks: inline (here, the default), process, dask, or submitit (Slurm).
        workers: how many blocks at once, for the kinds that have workers.
        repair: verify every file and recompute what cannot be trusted.
        strict: refuse if versions or processor are not those of the first start.
        allow_import: import the module:name kinds that the run recorded.

    Returns:
        Exit code.

    Raises:
        ConfigError: an option cannot be used.
    """
    told = _told(option)
    from thermograd.store import lock  # here, so that --help needs no numpy, and a refusal no torch
    from thermograd.store.manifest import read_manifest

    if not repair:
        state = read_manifest(run).state
    else:
        state = "damaged"
    if run.is_dir():
        lock.refuse_if_held(run)
    from thermograd.ensemble.config_overrides import overridden
    from thermograd.ensemble.executors.choice import executor_of
    from thermograd.ensemble.launch import Launch
    from thermograd.ensemble.resume import resume as go_on

    choice: dict[str, Any] = {"kind": "inline" if executor is None else executor}
    choice |= {} if workers is None else {"workers": workers}
    choice = overridden({"executor": choice}, told)[0]["executor"]
    executor_of(choice)
    with ProgressDisplay(str(run)) as display:
        launch = Launch(show=display.show, say=display.say, command=shlex.join(["thermograd", *sys.argv[1:]]))
        done = go_on(
            run, executor=choice, repair=repair, strict=strict, allow_import=allow_import, launch=launch
        )
    if state == "finished":
        terminal.say(f"{run} is finished already; {_wholeness(done, run)}")
    code = show_run(done, as_json=False)
    return code if state != "finished" else max(code, DONE)


def _wholeness(done: Run, run: Path) -> str:
    """What is known of the chunks of a finished run; one that is damaged is refused."""
    from thermograd.store.byte_size import byte_size
    from thermograd.store.read_through import read_through, recorded_bytes

    size = recorded_bytes(done)
    if size > _READ_AT_MOST:
        command = shlex.join(["thermograd", "resume", str(run), "--repair"])
        return f"its {byte_size(size)} were not read: {command} verifies every file"
    read_through(done)
    return "every chunk is whole"


def _told(words: tuple[str, ...]) -> Overrides:
    """What is left of the command line: options of the executor, and nothing else."""
    others, told = split_words(words, _FLAGS)
    if others:
        message = f"one run directory at a time; got {', '.join(map(repr, others))} as well"
        raise ConfigError(message)
    for key, _ in told:
        if not key.startswith("executor."):
            message = (
                f"unknown option --{key}. {nearest(f'--{key}', _FLAGS)}, --executor.OPTION; the experiment is that "
                "of the run, and only a new run can have another"
            )
            raise ConfigError(message)
    return told
