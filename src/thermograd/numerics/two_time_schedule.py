"""When a displacement between two times is measured, in a run whose length is not known."""

from __future__ import annotations

import bisect
import math

import numpy as np
import numpy.typing as npt

Steps = npt.NDArray[np.int64]
_DECADES = 15  # no run is longer, and such steps are exact in float64
NEVER = 1 << 62


class TwoTimeSchedule:
    """Waiting times t_w and lags t, both log-spaced; the weights of t_w are kept and compared with those of t_w + t.

    Waiting times are the unique round(10^(j/n)) from the first on. When there would be more than `max_anchors`, every
    second j is dropped for good, the first stays: between half and all of the room is used, always log-spaced, and
    which are kept at a step is a function of the step alone.

    Args:
        waiting_per_decade: n of the waiting times.
        lags_per_decade: n of the lags.
        first_waiting: the smallest waiting time; 0 for step 0, and then 1 and so on.
        max_anchors: the most waiting times kept at once.
        grain: all of them are rounded up to multiples of this.

    >>> schedule = TwoTimeSchedule(2, 1, first_waiting=1, max_anchors=4, grain=1)
    >>> schedule.waiting_times(99).tolist(), schedule.waiting_times(100).tolist()
    ([1, 3, 10, 32], [1, 10, 100])
    >>> schedule.lags[:3].tolist(), schedule.next_waiting(32), schedule.next_waiting(100)
    ([1, 10, 100], 100, 1000)
    """

    def __init__(
        self,
        waiting_per_decade: float,
        lags_per_decade: float,
        *,
        first_waiting: int,
        max_anchors: int,
        grain: int,
    ) -> None:
        self.lags: Steps = np.unique(_grid(lags_per_decade, grain))
        self._lags: list[int] = self.lags.tolist()  # bisecting a list is ten times quicker
        grid = _grid(waiting_per_decade, grain)
        grid = grid[grid >= first_waiting]
        start: list[int] = [] if first_waiting else [0]
        self._room = max_anchors
        self._thinned: list[Steps] = []
        stride = 1
        while not self._thinned or self._thinned[-1].size > max_anchors:
            self._thinned.append(np.unique(np.append(start, grid[::stride])).astype(np.int64))
            stride *= 2
        self._kept_when_due: list[int] = self._kept().tolist()

    def waiting_times(self, last: int) -> Steps:
        """The waiting times that are kept once `last` steps are done.

        Args:
            last: optimiser steps.
        """
        return next(
            times[:count]
            for times in self._thinned
            if (count := int(np.searchsorted(times, last, side="right"))) <= self._room
        )

    def next_waiting(self, step: int) -> int:
        """The next waiting time after a step that is kept when it comes, `NEVER` after the last.

        Args:
            step: optimiser steps.
        """
        return self._kept_when_due[bisect.bisect_right(self._kept_when_due, step)]

    def lag(self, number: int) -> int:
        """The lag of a number, from 0."""
        return self._lags[number]

    def lags_within(self, steps: int) -> int:
        """How many lags are no longer than so many steps."""
        return bisect.bisect_right(self._lags, steps)

    def _kept(self) -> Steps:
        """All waiting times that are not thinned out at once."""
        times = self._thinned[0]
        level = np.full(times.size, len(self._thinned) - 1)
        for number, thinned in reversed(list(enumerate(self._thinned))):
            level[np.searchsorted(thinned, times, side="right") <= self._room] = number
        member = np.array([np.isin(times, thinned) for thinned in self._thinned])
        return np.append(times[member[level, np.arange(times.size)]], NEVER)


def _grid(per_decade: float, grain: int) -> Steps:
    """round(10^(j/n)) in multiples of the grain, j = 0, 1, ..., not unique."""
    times = np.rint(10 ** (np.arange(math.floor(_DECADES * per_decade) + 1) / per_decade)).astype(np.int64)
    return -(-times // grain) * grain
