"""`events.jsonl`: what happened to a run, one JSON object a line, one write a line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from thermograd.store.run_file import read_run_file

FILE = "events.jsonl"
KINDS = (
    "created started block_started checkpoint block_finished block_failed worker_lost diverged lock_taken "
    "repaired interrupted resumed finished"
).split()
LONGEST = 4096


def append_event(folder: Path, event: str, **details: Any) -> None:
    """Add one line; details that would make it longer than 4 KiB are cut.

    Raises:
        ValueError: unknown event.
        OSError: the disk refuses.
    """
    if event not in KINDS:
        message = f"unknown event {event!r}; known: {', '.join(KINDS)}"
        raise ValueError(message)
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = _line({"time": stamp, "event": event, **details})
    if len(line) > LONGEST:
        line = _line({"time": stamp, "event": event, "cut": str(details)[: LONGEST // 8]})
    descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        # a line torn by a kill must not swallow this one
        os.write(descriptor, b"\n" + line if _torn(folder / FILE) else line)
    finally:
        os.close(descriptor)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All whole lines, oldest first; what a kill tore or a disk damaged is left out.

    Raises:
        DamagedRunError: the file is a link that leaves the run, or no plain file.
    """
    try:
        raw = read_run_file(folder, folder / FILE)
    except (FileNotFoundError, IsADirectoryError):
        return []
    events = []
    for line in raw.splitlines():
        try:
            event = json.loads(line) if len(line) <= LONGEST else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("event") in KINDS:
            events.append(event)
    return events


def _line(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=True, default=str) + "\n").encode("ascii")


def _torn(file: Path) -> bool:
    with file.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
