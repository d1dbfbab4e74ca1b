"""How fast a run goes, and how long it will take, with a range."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from thermograd.store.layout import Header

_KEPT = 64
_GROUPS = 8
_DRIFT = 0.05
_PATIENCE = 10


class TimeLeft(NamedTuple):
    """How long it will take.

    Attributes:
        low: seconds, at least.
        high: seconds, at most; None if the pace varies too much to say.
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

        The commits are put into at most eight groups of w trajectory-steps in d seconds. The speed is
        r = Σw/Σd; with the standard error s of that ratio it lies within r ± t s (Student's t, 95 %), and never
        is it known to better than 5 %. What has passed since the last commit is taken off.

        Args:
            work: trajectory-steps that are not committed.
            now: seconds, by the clock of the events.

        Returns:
            The time; None before the fourth commit, or if the last is ten times as long ago as is usual.
        """
        if len(self._pieces) < 3 or self._last is None:
            return None
        seconds, steps = np.array(self._pieces).T
        since = max(0.0, now - self._last)
        if seconds.sum() <= 0 or steps.sum() <= 0 or since > _PATIENCE * seconds.mean() + 1:
            return None
        edges = np.unique(np.linspace(0, seconds.size, min(_GROUPS, seconds.size) + 1).astype(int))[:-1]
        seconds, steps = np.add.reduceat(seconds, edges), np.add.reduceat(steps, edges)
        speed = float(steps.sum() / seconds.sum())
        spread = float(np.sqrt(((steps - speed * seconds) ** 2).sum() / (edges.size * (edges.size - 1))))
        half = float(stdtrit(edges.size - 1, 0.975)) * spread / float(seconds.mean())
        half = max(half, _DRIFT * speed)
        low = max(0.0, work / (speed + half) - since)
        return TimeLeft(low, max(0.0, work / (speed - half) - since) if half < speed else None, speed)

    def _commit(self, moment: float, block: Any, step: Any) -> None:
        if not isinstance(block, int) or not isinstance(step, int) or not 0 <= block < self._header.blocks:
            return
        done = step - self._steps.get(block, 0)
        self._steps[block] = step
        if self._last is not None and done >= 0:
            self._pieces.append((max(0.0, moment - self._last), done * len(self._header.block(block))))
        self._last = moment


def _seconds(stamp: Any) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (TypeError, ValueError):
        return None
