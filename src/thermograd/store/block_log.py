"""`blocks/N/log.txt`: who owned a block, from when to when."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from thermograd.store.failures import block_folder

FILE = "log.txt"
_LINE = re.compile(r"(\S+) (begins|ends) generation (\d+) process (\d+) on host (\S+)(?: (.*))?")


@dataclass(frozen=True)
class OwnerLine:
    """One line of the log.

    Attributes:
        time: UTC.
        event: "begins" or "ends".
        generation: which start of the run.
        process: its number.
        host: name of the machine.
        how: how it ended.
    """

    time: str
    event: str
    generation: int
    process: int
    host: str
    how: str = ""


@contextlib.contextmanager
def logged_owner(run: Path, block: int, generation: int) -> Generator[list[str]]:
    """Note that this process owns a block while the context lasts; the lock of the block is held.

    Args:
        run: the run directory.
        block: which block.
        generation: which start of the run.

    Yields:
        A list whose last entry will be noted as how it ended.

    Raises:
        OSError: the disk refuses.
    """
    _append(run, block, generation, "begins")
    how: list[str] = []
    try:
        yield how
    finally:
        with contextlib.suppress(OSError):
            _append(run, block, generation, "ends", *how[-1:])


def read_owners(run: Path, block: int) -> list[OwnerLine]:
    """The log of a block, oldest first; an owner that was killed has no line "ends"."""
    try:
        text = (block_folder(run, block) / FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    return [
        OwnerLine(line[1], line[2], int(line[3]), int(line[4]), line[5], line[6] or "")
        for line in found
        if line is not None
    ]


def overlapping(lines: list[OwnerLine]) -> list[OwnerLine]:
    """Lines that prove two owners at once: an end noted by one that was no longer the latest to begin.

    >>> begun, other = OwnerLine("t", "begins", 1, 7, "a"), OwnerLine("t", "begins", 2, 8, "a")
    >>> overlapping([begun, other]), overlapping([begun, other, OwnerLine("t", "ends", 1, 7, "a")])
    ([], [OwnerLine(time='t', event='ends', generation=1, process=7, host='a', how='')])
    """
    latest: tuple[int, int, str] | None = None
    wrong = []
    for line in lines:
        owner = (line.generation, line.process, line.host)
        if line.event == "begins":
            latest = owner
        elif owner != latest:
            wrong.append(line)
    return wrong


def _append(run: Path, block: int, generation: int, *words: str) -> None:
    now = time.time_ns()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9 // 1000:06d}Z"
    event, *how = words
    owner = f"generation {generation} process {os.getpid()} on host {socket.gethostname()}"
    line = " ".join((stamp, event, owner, *how)).replace("\n", " ") + "\n"
    file = block_folder(run, block) / FILE
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode("utf-8", "replace"))
    finally:
        os.close(descriptor)
