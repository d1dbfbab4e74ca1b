"""One measured number beside its bar."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        what: in words.
        value: measured.
        sense: "<=" or ">=" of the bar, "" if there is none.
        bar: the bar.
        clock: "processor" time, "wall" time, "memory" in 10^6 bytes, or a "count"; wall time is worth something on an idle machine only.
    """

    what: str
    value: float
    sense: Literal["<=", ">=", ""] = ""
    bar: float = 0.0
    clock: Literal["processor", "wall", "memory", "count"] = "processor"

    @property
    def met(self) -> bool:
        """Whether the bar is met; no bar is met."""
        return not self.sense or (self.value <= self.bar if self.sense == "<=" else self.value >= self.bar)

    def __str__(self) -> str:
        bar = f"bar {self.sense} {self.bar:g}" if self.sense else "no bar"
        verdict = "" if not self.sense else "met" if self.met else "MISSED"
        return f"{self.what:84s} {self.clock:9s} {self.value:8.3g}  {bar:12s} {verdict}{self._doubt()}"

    def _doubt(self) -> str:
        """What the load says about a row that was timed by the wall clock, just after it was measured."""
        return f"  (load {load():.1f}: not to be trusted)" if self.clock == "wall" and crowded() else ""


def load() -> float:
    """Processes that run or wait to, mean over the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def crowded() -> bool:
    """Whether more want to run than there are processors."""
    return load() > (os.cpu_count() or 1) + 0.5
