"""SIGKILL between every pair of writes, of a run that is being made and of one that goes on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from thermograd.reproductions.running_counted import NOTICED, Counted
from thermograd.reproductions.running_harness import TINY, Harness, chosen
from thermograd.reproductions.running_numbers import untrue
from thermograd.store.reader import open_run

WHAT = "SIGKILL between every pair of writes, while the run is made and while it runs"
MUST_HOLD = "no half-made run; it opens; committed rows right at once; resumed to equal bytes"

Case = tuple[Path | None, int]
"""A run to begin with, None to make one; and the number of the write."""


def rounds(harness: Harness, count: int | None, seed: int, controls: tuple[str, ...] = ()) -> Counted:
    """Kill at every change of the disk of a tiny run.

    Args:
        harness: where.
        count: how many of the changes by which it is made; None for all. Of those it makes when it runs it is all.
        seed: chooses them.
        controls: what to break on purpose in the process that is killed; played until that is noticed.

    Returns:
        What came of it.
    """
    born = harness.born(TINY)
    running = _writes(harness, born)
    while_it_runs: list[Case] = [(born, at) for at in range(1, running + 1)]
    play = partial(_killed_and_resumed, harness, controls)
    if controls:
        found = harness.until_noticed(play, while_it_runs, seed)
        what = f"negative control, {', '.join(controls)}: {WHAT}"
        return Counted(what, NOTICED, len(found), tuple(filter(None, found)), control=True)
    making: list[Case] = [(None, at) for at in range(1, _writes(harness, None) - running + 1)]
    while_it_is_made = chosen(making, count, seed)
    found = harness.servers.each(play, [*while_it_is_made, *while_it_runs])
    exhaustive = len(while_it_is_made) == len(making)
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)), exhaustive)


def _writes(harness: Harness, start: Path | None) -> int:
    """How often a tiny run changes the disk, from the beginning or once it is made."""
    run = harness.fresh() if start is None else harness.copy(start)
    writes: int = harness.train(run, TINY)["writes"]
    harness.drop(run)
    return writes


def _killed_and_resumed(harness: Harness, controls: tuple[str, ...], case: Case) -> str:
    start, at = case
    run = harness.fresh() if start is None else harness.copy(start)
    when = f"killed at write {at} {'of the making' if start is None else 'of the run'}"
    try:
        wrong = _wrong(harness, run, at, controls)
    finally:
        harness.drop(run)
    return f"{when}: {wrong}" if wrong else ""


def _wrong(harness: Harness, run: Path, at: int, controls: tuple[str, ...]) -> str:
    truth = harness.truth(TINY)
    if not harness.train(run, TINY, at=at, controls=controls)["killed"]:
        return "was not killed"
    if run.exists():
        wrong = untrue(open_run(run), truth)
        if wrong:
            return wrong
    wrong = harness.wrong_at_last(run, TINY, harness.train(run, TINY))
    if wrong:
        return wrong
    left = [entry.name for entry in run.parent.iterdir() if entry != run and (entry / "lock").exists()]
    return f"{left} was left beside it" if left else ""
