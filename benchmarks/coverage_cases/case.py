"""What a case of the coverage table is: a law whose truth is known, and what is asked of data drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Interval = tuple[Any, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        quantity: what is asked about, in words.
        truth: its value under the law; for an alarm, NaN.
        wanted: smallest and largest acceptable share of data sets.
        level: the nominal level of the interval.
        why_fewer: why the share lies below that range, where this is known and cannot be helped.
        why_more: why it lies above.
    """

    quantity: str
    truth: float = float("nan")
    wanted: tuple[float, float] = (0.93, 0.97)
    level: float = 0.95
    why_fewer: str = ""
    why_more: str = ""


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the truth.

    Attributes:
        law: the law of the data and their size, in words.
        rows: one per interval that `estimate` gives.
        draw: data set from a generator.
        estimate: intervals from a data set, in the order of `rows`; None where the library gives none, which
            counts as not covered.
        sets: number of data sets.
    """

    law: str
    rows: tuple[Row, ...]
    draw: Callable[[np.random.Generator], Any]
    estimate: Callable[[Any], Sequence[Interval | None]]
    sets: int = 1000

    def observe(self, generator: np.random.Generator) -> list[bool]:
        """Per row, whether the interval of one data set holds the truth."""
        intervals = self.estimate(self.draw(generator))
        return [
            found is not None and bool(found[0] <= row.truth <= found[1])
            for row, found in zip(self.rows, intervals, strict=True)
        ]


@dataclass(frozen=True)
class Alarm:
    """How often something is said that is not so.

    Attributes:
        law: the law of the data and their size, in words.
        rows: one per statement that `raised` gives.
        draw: data set from a generator.
        raised: whether each statement is made about a data set, in the order of `rows`.
        sets: number of data sets.
        speaker: what makes the statements, by the name under which it is called.
    """

    law: str
    rows: tuple[Row, ...]
    draw: Callable[[np.random.Generator], Any]
    raised: Callable[[Any], Sequence[bool]]
    sets: int = 400
    speaker: str = field(kw_only=True)

    def observe(self, generator: np.random.Generator) -> list[bool]:
        """Per row, whether the statement is made about one data set."""
        return list(self.raised(self.draw(generator)))


Case = Coverage | Alarm
