"""How far a run has come, as told to whoever shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.store.layout import Checkpoint, Header

SECONDS_BETWEEN = 0.25


@dataclass(frozen=True)
class Progress:
    """A moment of a run.

    Attributes:
        blocks_done: blocks that need no more work.
        blocks: all of them.
        steps_done: trajectory-steps whose records are taken.
        steps_total: trajectory-steps of the whole run.
        seconds: since this start.
        steps_now: trajectory-steps done since this start.
        diverged: trajectories that diverged so far.
        observable: name of the first observable.
        mean: its mean over the finite members of the block that was recorded last.
    """

    blocks_done: int
    blocks: int
    steps_done: int
    steps_total: int
    seconds: float
    steps_now: int
    diverged: int
    observable: str
    mean: float


class ProgressMeter:
    """Collects what blocks record and tells `show` at most four times a second."""

    def __init__(self, header: Header, show: Callable[[Progress], None] | None) -> None:
        self._header = header
        self._show = show
        self._steps = dict.fromkeys(range(header.blocks), 0)
        self._done: set[int] = set()
        self._diverged: dict[int, int] = {}
        self._observable = header.arrays[0].name if header.arrays else ""
        self._mean = math.nan
        self._newest: npt.NDArray[Any] | None = None
        self._started = time.monotonic()
        self._before = 0
        self._shown = -SECONDS_BETWEEN

    def already(self, block: int, step: int, *, done: bool = False) -> None:
        """Count what an earlier start did; a block that is done counts whole, wherever its weights ended."""
        self._steps[block] = self._header.steps if done else max(step, 0)
        if done:
            self._done.add(block)
        self._before += self._steps[block] * len(self._header.block(block))

    def recorded(self, block: int, step: int, values: dict[str, npt.NDArray[Any]]) -> None:
        """Take what a block recorded at one time."""
        self._steps[block] = max(step, self._steps[block])
        self._newest = values.get(self._observable, self._newest)
        self.show_in_time()

    def committed(self, block: int, checkpoint: Checkpoint) -> None:
        """Take what a block made permanent."""
        self._diverged[block] = int((checkpoint.arrays["diverged_at"] >= 0).sum())
        self._steps[block] = max(checkpoint.step, self._steps[block])

    def heard(self, block: int, step: int, mean: float, diverged: int) -> None:
        """Take what a block elsewhere tells of itself."""
        self._steps[block] = max(step, self._steps[block])
        self._diverged[block] = diverged
        if not math.isnan(mean):
            self._mean, self._newest = mean, None

    def finished(self, block: int) -> None:
        """A block needs no more work."""
        self._done.add(block)
        self._steps[block] = self._header.steps
        self.show()

    def show_in_time(self) -> None:
        """Tell if it is time to."""
        if time.monotonic() - self._shown >= SECONDS_BETWEEN:
            self.show()

    def show(self) -> None:
        """Tell now."""
        if self._show is None:
            return
        self._shown = time.monotonic()
        if self._newest is not None:  # a mean of every record would take longer than to store it
            finite = self._newest[np.isfinite(self._newest)]
            self._mean, self._newest = float(finite.mean()) if finite.size else math.nan, None
        done = sum(step * len(self._header.block(block)) for block, step in self._steps.items())
        self._show(
            Progress(
                blocks_done=len(self._done),
                blocks=self._header.blocks,
                steps_done=done,
                steps_total=self._header.trajectories * self._header.steps,
                seconds=self._shown - self._started,
                steps_now=done - self._before,
                diverged=sum(self._diverged.values()),
                observable=self._observable,
                mean=self._mean,
            )
        )
