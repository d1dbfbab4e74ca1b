"""How fast a run goes, and how long it will take, with a range."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from thermograd.store.layout import Header

_KEPT = 64
_FEWEST_GROUPS, _MOST_GROUPS = 3, 16
_DRIFT = 0.05
_PATIENCE = 10


class TimeLeft(NamedTuple):
    """How long it will take.

    Attributes:
        low: seconds, at least.
        high: seconds, at most; None if there was no progress for too long to say.
        speed: trajectory-steps per second.
    """

    low: float
    high: float | None
    speed: float


class Pace:
    """Learns from the commits of a run since it was last started.

    Args:
        header: what the run consists of.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._steps: dict[int, int] = {}
        self._pieces: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._last: float | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event, in order."""
        moment = _seconds(event.get("time"))
        if moment is None:
            return
        if event["event"] in {"started", "resumed"}:
            self._pieces.clear()
            self._last = None  # until the first commit it also builds kernels and starts workers
        elif event["event"] == "checkpoint":
            self._commit(moment, event.get("block"), event.get("step"))

    def left(self, work: float, now: float) -> TimeLeft | None:
        """How long the rest takes.

        The last 64 commits are put into three to sixteen groups of equally many, w trajectory-steps in d seconds each. The
        speed is Σw/Σd, and the range is that of the slowest and the fastest group, w/d, for what slows a run down
        may last; never is it narrower than ± 5 %. What has passed since the last commit is taken off.

        Args:
            work: trajectory-steps that are not committed.
            now: seconds, by the clock of the events.

        Returns:
            The time; None before the seventh commit, or if the last is ten times as long ago as is usual.
        """
        if len(self._pieces) < 2 * _FEWEST_GROUPS or self._last is None:
            return None
        seconds, steps = np.array(self._pieces).T
        since = max(0.0, now - self._last)
        if seconds.sum() <= 0 or steps.sum() <= 0 or since > _PATIENCE * seconds.mean() + 1:
            return None
        groups = min(_MOST_GROUPS, seconds.size // 2)
        edges = np.linspace(0, seconds.size, groups, endpoint=False).astype(int)
        seconds, steps = np.add.reduceat(seconds, edges), np.add.reduceat(steps, edges)
        speed = float(steps.sum() / seconds.sum())
        speeds = steps[seconds > 0] / seconds[seconds > 0]
        fastest = max(float(speeds.max()), (1 + _DRIFT) * speed)
        slowest = min(float(speeds.min()), (1 - _DRIFT) * speed)
        high = max(0.0, work / slowest - since) if slowest > 0 else None
        return TimeLeft(max(0.0, work / fastest - since), high, speed)

    def _commit(self, moment: float, block: Any, step: Any) -> None:
        header = self._header
        known = isinstance(block, int) and isinstance(step, int)
        if not known or not 0 <= block < header.blocks or not 0 <= step <= header.steps:
            return
        done = step - self._steps.get(block, 0)
        self._steps[block] = step
        if self._last is not None and done >= 0:
            self._pieces.append((max(0.0, moment - self._last), done * len(header.block(block))))
        self._last = moment


def _seconds(stamp: Any) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (TypeError, ValueError):
        return None
