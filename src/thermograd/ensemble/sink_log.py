"""Sending the means of a run to a logger while the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from thermograd.ensemble.run_sink import log_means
from thermograd.store.run import Run

SECONDS_BETWEEN = 1.0


class SinkLog:
    """Logs what all blocks have reached, at most once a second, and the rest at the end.

    Args:
        sink: takes (name -> mean, step), as `sink_of` makes it.
        after: the last step that an earlier start has logged, -1 for none.
    """

    def __init__(self, sink: Callable[[Mapping[str, Any], int], object], after: int = -1) -> None:
        self._sink = sink
        self._after = after
        self._told = -SECONDS_BETWEEN

    def tell(
        self, opened: Callable[[], Run], reached: npt.ArrayLike | None = None, *, now: bool = False
    ) -> None:
        """Log what is new.

        Args:
            opened: gives the run as it is; asked only when it is time.
            reached: last recorded step of each block; what is committed if None.
            now: whether it is time, whatever the clock says.
        """
        if now or time.monotonic() - self._told >= SECONDS_BETWEEN:
            self._told = time.monotonic()
            self._after = log_means(opened(), self._sink, after=self._after, reached=reached)
