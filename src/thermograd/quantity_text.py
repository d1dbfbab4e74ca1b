"""A quantity in one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def brief(value: Any) -> str:
    """A value in a few characters.

    >>> brief(3.14159), brief(float("inf"))
    ('3.142', 'inf')
    """
    return _brief(value, lambda number: f"{number:.4g}")


def interval_text(value: Any, interval: tuple[Any, Any], level: float | None) -> str:
    """A value with its interval.

    >>> interval_text(2.0, (1.5, 2.5), 0.95)
    '2 (1.5 to 2.5 at 95 %)'
    """
    confidence = "" if level is None or math.isnan(level) else f" at {100 * level:g} %"
    if np.ndim(value):
        return f"{brief(np.asarray(value))} with band{confidence}"
    return f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g}{confidence})"


def digits(value: float) -> str:
    """A number with three significant digits; whole ones below a million in full.

    >>> [digits(number) for number in (18.707, 4417.2, 2.5e7, 0.00012345, 3, -math.inf, math.nan)]
    ['18.7', '4417', '2.5e+07', '0.000123', '3', '−∞', '–']
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def short(value: Any) -> str:
    """The same as `brief`, numbers with three significant digits.

    >>> short((0.123456, 4)), short(np.arange(9.0) / 7)
    ('(0.123, 4)', 'curve of 9 points, 0 to 1.14')
    """
    return _brief(value, digits)


def _brief(value: Any, text: Callable[[float], str]) -> str:
    if isinstance(value, float | np.floating):
        return text(float(value))
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return text(float(value))
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return f"array of shape {value.shape}"
        if value.ndim == 1 and value.size <= 4:
            return "[" + ", ".join(_brief(entry.item(), text) for entry in value) + "]"
        if value.ndim == 1:
            return f"curve of {value.size} points, {_brief(value[0].item(), text)} to {_brief(value[-1].item(), text)}"
        return f"array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_brief(entry, text) for entry in value) + ")"
    return str(value)
