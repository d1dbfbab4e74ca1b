"""Configs and logs spoilt at random, as a row of the reliability plan."""

from __future__ import annotations

from thermograd.reproductions import running_bad_input
from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import Harness

WHAT = "configs and CSV logs spoilt at random: pieces dropped, doubled, retyped, extreme, other bytes"
MUST_HOLD = "read, or refused by a foreseen error that names the file, within 1 s of processor time"
SECONDS = 1.0


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Spoil as many of each.

    Args:
        harness: not needed: nothing is killed.
        count: how many of each.
        seed: of all that is random.

    Returns:
        What came of it.
    """
    del harness
    readers = running_bad_input.READERS
    found = running_bad_input.rounds(count or 0, seed, seconds=SECONDS)
    failures = tuple(f"{failure.kind} {failure.place}: {failure.what}" for failure in found)
    return Counted(WHAT, MUST_HOLD, (count or 0) * len(readers), failures, detail=f"{count} of each")
