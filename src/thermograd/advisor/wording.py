"""Numbers as they stand in a sentence: three digits, the interval in brackets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thermograd.quantities import Estimate


def number(value: float) -> str:
    """Three significant digits.

    >>> number(18.707), number(9.0), number(4417.2), number(math.inf)
    ('18.7', '9', '4417', '∞')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "unknown"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["shrink"]), listed(["shrink", "partial", "warm"])
    ('shrink', 'shrink, partial and warm')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def every(interval: int | None, unit: str) -> str:
    """How often, in a sentence.

    >>> every(1, "step"), every(20, "epoch")
    ('every step', 'every 20 epochs')
    """
    return f"every {unit}" if interval == 1 else f"every {interval} {unit}s"


def with_interval(estimate: Estimate) -> str:
    """A value and its interval; where that is open above, in words.

    >>> with_interval(Estimate(18.707, (18.36, 19.06)))
    '18.7 (18.4–19.1)'
    >>> with_interval(Estimate(23.8, (16.8, math.inf))), with_interval(Estimate(math.inf, (5.99, math.inf)))
    ('23.8 (16.8 or more)', 'no upper limit: at least 5.99')
    """
    value, low, high = (float(entry) for entry in (estimate.value, estimate.low, estimate.high))
    if math.isinf(value) and math.isfinite(low):
        return f"no upper limit: at least {number(low)}"
    if math.isinf(value):
        return number(value)
    return (
        f"{number(value)} ({number(low)} or more)"
        if math.isinf(high)
        else f"{number(value)} ({number(low)}–{number(high)})"
    )
