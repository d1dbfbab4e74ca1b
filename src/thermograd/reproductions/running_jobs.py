"""What a forked child does: train a tiny map, run a command, or read the numbers of a run."""

from __future__ import annotations

import hashlib
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.reproductions.running_controls import break_on_purpose
from thermograd.reproductions.running_faulty_disk import FaultyDisk
from thermograd.reproductions.running_logistic_map import LogisticMap, LogisticTrainer
from thermograd.reproductions.running_numbers import everything
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run

Job = dict[str, Any]
"""What is to be done, as plain values; `JOBS` says which keys a kind of job knows."""


def prepare(job: Job) -> None:
    """What every process of a job begins with.

    Args:
        job: of every kind: `controls` to break on purpose, `environment` variables.
    """
    os.environ.update(job.get("environment", {}))
    for name in job.get("controls", ()):
        break_on_purpose(name)


def perform(job: Job) -> dict[str, Any]:
    """Do it in this process, which is not good for anything else afterwards.

    Args:
        job: `do` names the kind; of every kind: `run` the run directory, `at` and `fault` of a `FaultyDisk` there.

    Returns:
        What came of it; errors are told, not raised, those of a command aside.
    """
    disk = FaultyDisk(job["run"], job.get("at"), job.get("fault", "kill"))
    found = JOBS[job["do"]](job)
    return {**found, "writes": disk.count}


def _train_map(job: Job) -> dict[str, Any]:
    """Keys: `map` fields, `time_chunk`, `seconds` between checkpoints, `pause` per step, `until`, `repair`.

    With `race`, the path of a file, no step is made before it is there.
    """
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in job["map"].items()
    }
    trainer = LogisticTrainer(
        LogisticMap(**fields), job.get("pause", 0.0), Path(job["race"]) if "race" in job else None
    )
    options = StoreOptions(time_chunk=job.get("time_chunk", 2), checkpoint_seconds=job.get("seconds", 60.0))
    launch = Launch(options=options, until=job.get("until"), repair=job.get("repair", False))
    return _told(lambda: (train_in_directory(trainer, job["run"], launch), {"blocks": trainer.calls})[1])


def _read(job: Job) -> dict[str, Any]:
    """The SHA-256 of every array."""
    return _told(
        lambda: {
            "numbers": {
                name: hashlib.sha256(value).hexdigest()
                for name, value in everything(open_run(job["run"])).items()
            }
        }
    )


def _command(job: Job) -> dict[str, Any]:
    """Keys: `words` after `thermograd`. As `python -m thermograd` does it, to the end of the process."""
    sys.argv = ["thermograd", *job["words"]]
    runpy.run_module("thermograd", run_name="__main__", alter_sys=True)
    return {"code": 0}


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        found = work()
    except BaseException as error:
        return {
            "error": type(error).__name__,
            "message": str(error),
            "code": getattr(error, "exit_code", 70),
            "damage": list(getattr(error, "damage", ())),
            "traceback": traceback.format_exc(),
        }
    return {"error": "", "code": 0, **found}


JOBS: dict[str, Callable[[Job], dict[str, Any]]] = {
    "train map": _train_map,
    "read": _read,
    "command": _command,
}
"""The kinds of jobs."""
