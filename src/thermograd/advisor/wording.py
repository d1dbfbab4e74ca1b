"""Numbers as they stand in a sentence: three digits, the interval in brackets."""

from __future__ import annotations

import math

from thermograd.quantities import Estimate


def number(value: float) -> str:
    """Three significant digits.

    >>> number(18.707), number(9.0), number(4417.2), number(math.inf)
    ('18.7', '9', '4417', '∞')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "unknown"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interval_text(low: float, high: float) -> str:
    """The two ends of an interval in brackets.

    >>> interval_text(18.36, 19.06)
    '(18.4–19.1)'
    """
    return f"({number(low)}–{number(high)})"


def with_interval(estimate: Estimate) -> str:
    """A value and its interval.

    >>> with_interval(Estimate(18.707, (18.36, 19.06)))
    '18.7 (18.4–19.1)'
    """
    return f"{number(float(estimate.value))} {interval_text(float(estimate.low), float(estimate.high))}"
