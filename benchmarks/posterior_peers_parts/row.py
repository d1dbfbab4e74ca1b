"""A line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, with its bar if there is one.

    Attributes:
        what: in words.
        value: the number; None if there is none.
        sense: "<=" or ">=", or "" for a number without a bar.
        bar: the number to keep.
        note: an interval or an explanation; without a value, why there is none.
    """

    what: str
    value: float | None = None
    sense: str = ""
    bar: float = float("nan")
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is kept; None without a value or a bar."""
        if self.value is None or not self.sense:
            return None
        return self.value <= self.bar if self.sense == "<=" else self.value >= self.bar

    def __str__(self) -> str:
        if self.value is None:
            return f"  {self.what:80s} skipped: {self.note}"
        bar = f"bar {self.sense} {self.bar:.3g} {'met' if self.met else 'MISSED'}" if self.sense else ""
        return f"  {self.what:80s} {self.value:10.4g}  {bar:24s} {self.note}"
