"""A file system of four real megabytes that fills up: the reserve lets the last words be written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import SMALL, Harness
from thermograd.store.reader import open_run

WHAT = "a real file system of 4 MiB fills up"
MUST_HOLD = "exit 4, the run says it is interrupted; with room again, resumed to equal bytes"
_ROOM = 12 * 4096


def rounds(harness: Harness, count: int | None, seed: int) -> Counted:
    """Fill a tmpfs while a run on it is under way; not where mounting is not permitted.

    Args:
        harness: where.
        count: does not matter, it is done once.
        seed: does not matter, nothing is random.

    Returns:
        What came of it.
    """
    del count, seed
    place = harness.fresh()
    place.mkdir()
    if not _mounted(place):
        return Counted(WHAT, MUST_HOLD, 0, missing="mounting a tmpfs is not permitted here")
    try:
        wrong = _wrong(harness, place)
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)
    return Counted(WHAT, MUST_HOLD, 1, (wrong,) if wrong else ())


def _mounted(place: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _wrong(harness: Harness, place: Path) -> str:
    run, filler = place / "run", place / "filler"
    first = harness.train(run, SMALL, until=3)
    if first["error"]:
        return f"cannot begin: {first['message']}"
    _fill(filler)
    answer = harness.train(run, SMALL)
    if (answer["error"], answer["code"]) != ("DiskFullError", 4):
        return f"{answer['error']}, exit {answer['code']}"
    if open_run(run).state != "interrupted" or (run / "reserve").exists():
        return f"state {open_run(run).state}, reserve {'kept' if (run / 'reserve').exists() else 'given up'}"
    filler.unlink()
    return harness.wrong_at_last(run, SMALL, harness.train(run, SMALL))


def _fill(file: Path) -> None:
    """Until nothing fits, then a little less."""
    with file.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            stream.truncate(file.stat().st_size - _ROOM)
