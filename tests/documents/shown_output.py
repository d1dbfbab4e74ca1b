"""Whether the output that a page shows is what its code printed, and how far numbers may be off."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LEFT_OUT = "..."


@dataclass(frozen=True)
class Tolerance:
    """How far a printed number may be from the shown one: relative to the shown one, or absolute if that is more."""

    relative: float
    absolute: float

    def holds(self, shown: float, printed: float) -> bool:
        return math.isclose(shown, printed, rel_tol=0, abs_tol=max(self.relative * abs(shown), self.absolute))


OF_A_PAGE = Tolerance(0.25, 1e-9)
"""Of the README and the docs: short runs, whose last digits another processor draws otherwise."""

OF_A_TUTORIAL = Tolerance(0.1, 1e-4)
"""Of tutorials, whose output `make tutorials` writes: seeds are fixed, so only rounding on another processor is left."""


def skeleton(text: str) -> tuple[str, list[float]]:
    """The text with its numbers taken out, and the numbers.

    >>> skeleton("lag 10 of run_2:  −1.5e-3")
    ('lag # of run_2: #', [10.0, -0.0015])
    """
    plain = " ".join(text.split())
    return _NUMBER.sub("#", plain), [float(one.replace("−", "-")) for one in _NUMBER.findall(plain)]


def is_shown(shown: str, printed: str, tolerance: Tolerance, *, whole: bool = False) -> bool:
    """Whether these words were printed, with about these numbers.

    Args:
        shown: what the page shows; `...` stands for what it leaves out.
        printed: what came out.
        tolerance: of the numbers.
        whole: nothing but `...` may be left out; else the page may also begin later and end sooner.

    >>> is_shown("mean 2.0 ... of 3", "The mean 2.1, more or less, of 3 runs", OF_A_PAGE)
    True
    """
    all_words, all_numbers = skeleton(printed)
    parts = shown.split(_LEFT_OUT)
    at = 0
    for place, part in enumerate(parts):
        words, numbers = skeleton(part)
        last = place == len(parts) - 1
        start = all_words.rfind(words, at) if whole and last else all_words.find(words, at)
        if start < 0 or (whole and place == 0 and start > 0):
            return False
        first = all_words[:start].count("#")
        if not all(map(tolerance.holds, numbers, all_numbers[first:])):
            return False
        at = start + len(words)
    return not whole or not parts[-1].strip() or at == len(all_words)
