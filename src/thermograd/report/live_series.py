"""Mean and spread of one observable of a run that goes on, each record taken once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import numbers, spaced
from thermograd.report.moments import Moments
from thermograd.store.layout import ArraySpec

_ROWS = 256
Read = Callable[[str, int, slice], npt.NDArray[Any]]
"""(array, block, records) to what they hold, `(trajectory, record)`."""


class LiveSeries:
    """The average of a scalar over the trajectories that are committed and did not diverge.

    For each time only those trajectories count whose block has committed it. Records are read chunk by chunk;
    those of a finished block are merged and never read again, those of a block at work are read again only
    when one of its trajectories diverges, for its earlier records do not count any more.

    Args:
        spec: the array.
        chunk: records in one chunk.
        points: at most so many times are looked at, first and last among them.
        read: reads records of a block.
        version: given to points before anything is known of them.
    """

    def __init__(self, spec: ArraySpec, chunk: int, points: int, read: Read, version: int) -> None:
        self._spec, self._chunk, self._read = spec, chunk, read
        self._kept = np.array(spaced(spec.times.size, points), np.int64)
        self._changed = np.full(self._kept.size, version, np.int64)
        self._finished = Moments.none(self._kept.size)
        self._total = Moments.none(self._kept.size)
        self._open: dict[int, _Part] = {}
        self._closed: set[int] = set()

    def take(
        self, block: int, committed: int, diverged: npt.NDArray[np.bool_], *, finished: bool, version: int
    ) -> None:
        """Take what a block has committed since the last time; nothing of a block that was finished before.

        Args:
            block: its index.
            committed: the last step that may be trusted.
            diverged: `(trajectory of the block,)` which do not count.
            finished: whether the block will not be given again.
            version: of the points that change by it.
        """
        if block in self._closed:
            return
        part = self._open.get(block)
        if part is not None and (diverged & ~part.diverged).any() and part.records:
            self._changed[: part.columns] = version
            del self._open[block]
            self._total = self._without_open()
            part = None
        if part is None:
            part = self._open[block] = _Part(self._kept.size)
        part.diverged = diverged
        records = int(np.searchsorted(self._spec.times, committed, side="right"))
        while part.records < records:
            stop = min((part.records // self._chunk + 1) * self._chunk, records)
            self._take_records(block, part, stop, version)
        if finished:
            self._finished = self._finished.merged(part.moments)
            del self._open[block]
            self._closed.add(block)

    def points(self, since: int) -> dict[str, list[Any]] | None:
        """The points that changed after a version; of all of them, only those with a value.

        Args:
            since: the version; -1 for all points.

        Returns:
            Columns `step mean low high trajectories`, None where a number is not defined; None if there is none.
        """
        chosen = self._changed > since
        if since < 0:
            chosen &= self._total.count > 0
        if not chosen.any():
            return None
        count, deviation = self._total.count[chosen], self._total.deviation[chosen]
        mean = np.where(count > 0, self._total.mean[chosen], np.nan)
        return {
            "step": self._spec.times[self._kept][chosen].tolist(),
            "mean": numbers(mean),
            "low": numbers(mean - deviation),
            "high": numbers(mean + deviation),
            "trajectories": count.astype(int).tolist(),
        }

    def _take_records(self, block: int, part: _Part, stop: int, version: int) -> None:
        """The records from where the part ends to `stop`, inside one chunk."""
        first, last = np.searchsorted(self._kept, (part.records, stop)).tolist()
        if last > first:
            start = int(self._kept[first])
            values = self._read(self._spec.name, block, slice(start, stop))
            columns = self._kept[first:last] - start
            for row in range(0, len(values), _ROWS):
                piece = values[row : row + _ROWS, columns].astype(np.float64)
                piece[part.diverged[row : row + _ROWS]] = np.nan
                found = Moments.of(piece)
                for moments in (part.moments, self._total):
                    moments.absorb(slice(first, last), found)
            self._changed[first:last] = version
        part.records, part.columns = stop, last

    def _without_open(self) -> Moments:
        """All that is known, from its parts."""
        total = self._finished
        for part in self._open.values():
            total = total.merged(part.moments)
        return total.copy()


class _Part:
    """What is known of a block that is not finished."""

    def __init__(self, columns: int) -> None:
        self.moments = Moments.none(columns)
        self.diverged: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self.records = 0
        self.columns = 0
