"""The events of a run, each read once."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from thermograd.store.events import FILE, KINDS, LONGEST
from thermograd.store.printable import excerpt

_KEPT = 12
_AT_ONCE = 2**20


class EventTail:
    """Follows `events.jsonl` of a run, line by line, in bounded memory.

    Args:
        folder: the run directory.

    Attributes:
        last: the newest events, oldest first, as (time, what happened); of commits in a row the newest.
        at_work: blocks that were begun since the run was last started, and have not ended.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._place = 0
        self.last: deque[tuple[str, str]] = deque(maxlen=_KEPT)
        self.at_work: set[int] = set()
        self._newest = ""

    def new(self) -> list[dict[str, Any]]:
        """The whole lines that were added since the last call, at most a MiB of them."""
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._place)
                raw = stream.read(_AT_ONCE)
        except FileNotFoundError:
            return []
        whole = raw.rfind(b"\n") + 1
        # what is longer than any event of ours is skipped, lest it stay for ever
        self._place += whole or (len(raw) if len(raw) > LONGEST else 0)
        events = [event for event in map(_event, raw[:whole].splitlines()) if event]
        for event in events:
            self._follow(event)
        return events

    def _follow(self, event: dict[str, Any]) -> None:
        kind, block = event["event"], event.get("block")
        if kind in {"started", "resumed"}:
            self.at_work.clear()
        elif isinstance(block, int) and kind == "block_started":
            self.at_work.add(block)
        elif isinstance(block, int) and kind in {"block_finished", "block_failed"}:
            self.at_work.discard(block)
        if kind == "checkpoint" == self._newest:
            self.last.pop()  # of commits in a row the newest says it all
        self._newest = kind
        details = [
            f"{key} {value}" for key, value in event.items() if key not in {"time", "event"} and value != []
        ]
        said = excerpt(", ".join([kind.replace("_", " "), *details]), 200)
        self.last.append((_moment(event.get("time")), said))


def _moment(stamp: Any) -> str:
    """A time to the second; what is no time stays what it is.

    >>> _moment("2026-11-27T17:21:17.313Z"), _moment(3)
    ('2026-11-27 17:21:17 UTC', '3')
    """
    try:
        moment = datetime.fromisoformat(stamp).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return excerpt(stamp, 40)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and event.get("event") in KINDS else None
