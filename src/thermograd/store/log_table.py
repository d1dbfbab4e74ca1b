"""What every layout of a log comes down to: values of runs at times, in the order they were written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, MemoryLimitError

Array = npt.NDArray[Any]

_LARGEST = 2 * 10**8


@dataclass(frozen=True, eq=False)
class LogTable:
    """Entries (run, time, value), oldest first.

    Attributes:
        names: the runs, in the order in which they first appear.
        run: `(entry,)` place in `names`.
        time: `(entry,)` what the log says the time is.
        value: `(entry,)` the value, NaN where the run was not evaluated.
        unit: what the times count, "epoch" or "step".
        timed: whether the log says the times; if not they are 1, 2, ....
        notes: what was found while reading, one sentence each.

    >>> LogTable.of([("a", 1, 0.5), ("b", 1, 0.6), ("a", 2, 0.7)], "step").run.tolist()
    [0, 1, 0]
    """

    names: tuple[str, ...]
    run: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    unit: str
    timed: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[tuple[str, int, float]], unit: str, *, timed: bool = True) -> LogTable:
        """The table of entries (name of the run, time, value)."""
        known: dict[str, int] = {}
        run, time, value = [], [], []
        for name, at, number in entries:
            run.append(known.setdefault(name, len(known)))
            time.append(at)
            value.append(number)
        return cls(
            tuple(known),
            np.array(run, np.int64),
            np.array(time, np.int64),
            np.array(value, np.float64),
            unit,
            timed,
        )

    def dense(self, file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], tuple[str, ...]]:
        """Values `(run, time)`, the times, and the notes.

        Where a run has several numbers at one time (it was resumed from a checkpoint) the later one counts,
        and a note says how often.

        Args:
            file: what was read, for messages.

        Returns:
            Values, NaN where there is none; the distinct times at which there is any, increasing; the notes.

        Raises:
            ConfigError: there is no entry.
            MemoryLimitError: there are so many distinct times that the table would not fit.

        >>> log = LogTable.of([("a", 1, 0.5), ("a", 2, 0.7), ("a", 1, 0.9)], "step")
        >>> values, times, notes = log.dense(Path("log.csv"))
        >>> values.tolist(), notes
        ([[0.9, 0.7]], ('log.csv: 1 repeated steps, the later value counts',))
        """
        if not self.run.size:
            message = f"{file} has a header but no values"
            raise ConfigError(message)
        known = ~np.isnan(self.value)
        # A log of several metrics has rows at which this one was not evaluated by anybody.
        there = np.flatnonzero(known if known.any() else ~known)
        times, column = np.unique(self.time[there], return_inverse=True)
        shape = (len(self.names), times.size)
        if shape[0] * shape[1] > _LARGEST:
            message = (
                f"{file}: {shape[0]} runs at {shape[1]} distinct times would take "
                f"{8e-9 * shape[0] * shape[1]:.3g} GB; keep the records at ends of epochs"
            )
            raise MemoryLimitError(message)
        values = np.full(shape, np.nan)
        # Of equal places, numpy keeps the last one assigned; reversed and made unique, that is not left to it.
        place = (self.run[there] * times.size + column)[::-1]
        place, last = np.unique(place, return_index=True)
        values.flat[place] = self.value[there][::-1][last]
        repeated = max(int(known.sum()) - place.size, 0)
        again = (f"{file}: {repeated} repeated {self.unit}s, the later value counts",) if repeated else ()
        return values, times, (*self.notes, *again)


def merged(tables: Sequence[LogTable], notes: tuple[str, ...] = ()) -> LogTable:
    """Tables of different runs, one after the other.

    >>> one, two = LogTable.of([("a", 1, 0.5)], "step"), LogTable.of([("b", 3, 0.6)], "step")
    >>> merged([one, two]).names
    ('a', 'b')
    """
    shift = np.cumsum([0, *(len(table.names) for table in tables)])
    return LogTable(
        tuple(name for table in tables for name in table.names),
        np.concatenate([table.run + first for table, first in zip(tables, shift[:-1], strict=True)]),
        np.concatenate([table.time for table in tables]),
        np.concatenate([table.value for table in tables]),
        tables[0].unit,
        tables[0].timed,
        (*dict.fromkeys(note for table in tables for note in table.notes), *notes),
    )
