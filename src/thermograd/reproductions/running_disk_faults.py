"""A disk that fills up, fails or goes read-only at any write: exit 4, nothing lost, resumed to the same bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import TINY, Harness, chosen
from thermograd.reproductions.running_numbers import everything
from thermograd.store.reader import open_run

FAULTS = ("ENOSPC", "EIO", "EROFS")
WHAT = "the disk is full, fails or is read-only from write i on, for all i"
MUST_HOLD = "exit 4 with the command that goes on; nothing half-made; resumed to equal bytes"
Case = tuple[str, Path | None, int]
"""A fault, a run to begin with, None to make one; and the number of the first write that is refused."""


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Refuse every write of a tiny run, with each error.

    Args:
        harness: where.
        count: how many of the cases; None for all.
        seed: chooses them.

    Returns:
        What came of it.
    """
    born = harness.born(TINY)
    running = harness.train(harness.copy(born), TINY)["writes"]
    making = harness.train(harness.fresh(), TINY)["writes"] - running
    cases: list[Case] = [
        (fault, start, at)
        for fault in FAULTS
        for start, writes in ((None, making), (born, running))
        for at in range(1, writes + 1)
    ]
    played = chosen(cases, count, seed)
    found = harness.servers.each(partial(_refused_and_resumed, harness), played)
    return Counted(WHAT, MUST_HOLD, len(played), tuple(filter(None, found)), len(played) == len(cases))


def _refused_and_resumed(harness: Harness, case: Case) -> str:
    fault, start, at = case
    run = harness.fresh() if start is None else harness.copy(start)
    wrong = _wrong(harness, run, fault, at)
    harness.drop(run)
    return (
        f"{fault} at write {at} {'of the making' if start is None else 'of the run'}: {wrong}"
        if wrong
        else ""
    )


def _wrong(harness: Harness, run: Path, fault: str, at: int) -> str:
    truth = harness.truth(TINY)
    made = run.exists()
    answer = harness.train(run, TINY, at=at, fault=fault)
    # a refusal that could be passed over, as of an unlink at the end, is none
    if answer["error"] and (answer["error"], answer["code"]) != ("DiskFullError", 4):
        return f"{answer['error']}, exit {answer['code']}: {answer['message']}"
    if not answer["error"] and everything(open_run(run)) != truth:
        return "was not refused, and the numbers are others"
    if answer["error"]:
        wrong = _said_too_little(run, fault, answer["message"]) if made else _left_behind(run, fault)
        if wrong:
            return wrong
    if run.exists():
        open_run(run)
    return harness.wrong_at_last(run, TINY, harness.train(run, TINY))


def _said_too_little(run: Path, fault: str, message: str) -> str:
    words = (f"thermograd resume {run}", "ead-only file system" if fault == "EROFS" else "free on")
    missing = [word for word in words if word not in message]
    return f"the message lacks {missing}: {message}" if missing else ""


def _left_behind(run: Path, fault: str) -> str:
    """A run that could not be made; a full disk lets what was begun be deleted."""
    if run.exists() and not (run / "manifest.json").exists():
        return "a half-made run"
    beside = [entry.name for entry in run.parent.iterdir() if entry != run]
    return f"{beside} was left" if fault == "ENOSPC" and beside else ""
