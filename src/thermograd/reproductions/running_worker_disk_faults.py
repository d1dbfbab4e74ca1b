"""A disk that refuses the workers: they stop, the run ends with exit 4, and goes on when there is room."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_disk_faults import FAULTS
from thermograd.reproductions.running_harness import Harness, chosen
from thermograd.reproductions.running_numbers import untrue
from thermograd.reproductions.running_servers import Answer
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

WHAT = "the disk refuses two workers from their write i on, full, failing or read-only"
MUST_HOLD = "exit 4 with the command that goes on; resumed to equal bytes"
WRITES = 40
_EXPERIMENT = TinyExperiment(trajectories=4, block_size=2, steps=6, every=2, chunk=2, seconds=60.0)
_WORKERS = ("--executor", "process", "--workers", "2")
Case = tuple[str, int]
"""A fault, and the number of the first write of each worker that is refused."""


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Refuse the first 40 writes of the workers, more than they make, with each error.

    Args:
        harness: where.
        count: how many of the cases; None for all.
        seed: chooses them.

    Returns:
        What came of it.
    """
    cases: list[Case] = [(fault, at) for fault in FAULTS for at in range(1, WRITES + 1)]
    played = chosen(cases, count, seed)
    found = harness.servers.each(partial(_refused, harness), played)
    refused = sum(met for met, _ in found)
    failures = tuple(wrong for _, wrong in found if wrong)
    exhaustive = len(played) == len(cases)
    return Counted(WHAT, MUST_HOLD, len(found), failures, exhaustive, detail=f"{refused} runs were refused")


def _refused(harness: Harness, case: Case) -> tuple[bool, str]:
    """Whether a worker was refused, and what went wrong."""
    fault, at = case
    run = harness.fresh()
    more = {"forked_workers": True, "fault": fault}
    answer = harness.begin(run, _EXPERIMENT, *_WORKERS, worker_at=at, **more)
    wrong = _wrong(harness, run, answer)
    harness.drop(run)
    return answer["code"] == 4, f"{fault} at write {at} of a worker: {wrong}" if wrong else ""


def _wrong(harness: Harness, run: Path, answer: Answer) -> str:
    # a refusal may be passed over, as of the file that tells how far a block is
    if answer["code"] not in {0, 4}:
        return f"exit {answer['code']}: {answer['errors']}"
    found = open_run(run)
    if answer["code"] == 4 and (
        f"thermograd resume {run}" not in answer["errors"] or found.state != "interrupted"
    ):
        return f"the run is {found.state}; said: {answer['errors']}"
    wrong = untrue(found, harness.truth(_EXPERIMENT))
    if wrong:
        return wrong
    again = harness.command(run, "resume", run, *_WORKERS, forked_workers=True)
    return harness.wrong_at_last(run, _EXPERIMENT, again)
