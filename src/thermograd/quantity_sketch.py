"""Small static drawings for notebooks: SVG without script, in colours that show on light and dark paper."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantity_text import digits

Array = npt.NDArray[Any]

_LINE = "#2386C0"
"""Contrast above 4 with white and with the dark grey of notebooks."""
SHARES = {"finished": "#009E73", "diverged": "#D55E00", "failed": "#CC79A7", "pending": "#888888"}
_MOST_POINTS = 200
_LABEL = "font-size='11' fill='currentColor' font-family='sans-serif'"


def curve_sketch(
    at: Array | None, value: Any, interval: tuple[Any, Any] | None, *, width: int = 320, height: int = 120
) -> str:
    """A curve with its band, and the numbers at the ends of both axes.

    Both pause where they are not finite; at most 200 points are drawn.

    Args:
        at: places of the points; 0, 1, ... if None.
        value: `(point,)`.
        interval: its band, or None.
        width: of the drawing, pixels.
        height: of the drawing, pixels.

    Returns:
        An SVG element, "" for scalars, matrices and curves with fewer than two finite points.
    """
    if np.ndim(value) != 1 or np.size(value) < 2:
        return ""
    curve = np.asarray(value, float)
    band = [curve, curve] if interval is None else [np.asarray(edge, float) for edge in interval]
    place = np.arange(curve.size, dtype=float) if at is None else np.asarray(at, float)
    kept = np.unique(np.linspace(0, curve.size - 1, min(curve.size, _MOST_POINTS)).round().astype(int))
    place, curve, lower, upper = (column[kept] for column in (place, curve, *band))
    shown = np.isfinite(curve) & np.isfinite(place)
    banded = shown & np.isfinite(lower) & np.isfinite(upper)
    if shown.sum() < 2:
        return ""
    seen = np.concatenate([curve[shown], lower[banded], upper[banded]])
    (left, right), (low, high) = _ends(place[shown]), _ends(seen)
    margin = 56
    across = margin + (width - margin - 6) * (place - left) / (right - left or 1.0)

    def point(column: int, number: float) -> str:
        share = 0.5 if high == low else (number - low) / (high - low)
        return f"{across[column]:.1f},{(height - 20) - (height - 26) * share:.1f}"

    areas = "".join(
        f"<polygon points='{' '.join([point(i, upper[i]) for i in run] + [point(i, lower[i]) for i in reversed(run)])}' "
        f"fill='{_LINE}' fill-opacity='.3'/>"
        for run in _stretches(banded)
        if len(run) > 1
    )
    lines = "".join(
        f"<polyline points='{' '.join(point(i, curve[i]) for i in run)}' fill='none' stroke='{_LINE}' stroke-width='2'/>"
        for run in _stretches(shown)
    )
    words = (
        _word(margin - 4, 12, digits(high), "end"),
        _word(margin - 4, height - 20, digits(low), "end") if high > low else "",
        _word(margin, height - 5, digits(left), "start"),
        _word(width - 6, height - 5, digits(right), "end"),
    )
    label = f"curve from {digits(curve[shown][0])} to {digits(curve[shown][-1])}"
    return _svg(width, height, label, areas + lines + "".join(words))


def interval_sketch(
    value: float, interval: tuple[float, float], among: tuple[float, float] | None = None, *, width: int = 320
) -> str:
    """A number as a dot with its interval as a bar; an end that is infinite gets an arrow, and 0 a mark if it is near.

    Args:
        value: the number.
        interval: its interval.
        among: ends of the axis, where several are drawn one below the other; those of the interval if None.
        width: of the drawing, pixels.

    Returns:
        An SVG element, "" where there is no number.
    """
    low, high = (float(end) for end in interval)
    if not math.isfinite(value) or math.isnan(low) or math.isnan(high):
        return ""
    known = [value, *(end for end in (low, high) if math.isfinite(end))]
    least, most = _ends(np.array(known)) if among is None else among
    span = (most - least) or abs(value) or 1.0
    least, most = least - 0.15 * span, most + 0.15 * span

    def across(number: float) -> float:
        return 6 + (width - 12) * (min(max(number, least), most) - least) / (most - least)

    zero = ""
    if least <= 0 <= most:
        zero = f"<line x1='{across(0):.1f}' y1='1' x2='{across(0):.1f}' y2='19' stroke='currentColor' stroke-dasharray='2 2' opacity='.6'/>"
    left, right = across(low), across(high)
    ends = "".join(
        f"<path d='M{x + turn:.1f},5 L{x:.1f},10 L{x + turn:.1f},15' fill='none' stroke='{_LINE}' stroke-width='2'/>"
        if math.isinf(end)
        else f"<line x1='{x:.1f}' y1='5' x2='{x:.1f}' y2='15' stroke='{_LINE}' stroke-width='2'/>"
        for x, end, turn in ((left, low, 5), (right, high, -5))
    )
    bar = f"<line x1='{left:.1f}' y1='10' x2='{right:.1f}' y2='10' stroke='{_LINE}' stroke-width='2'/>"
    dot = f"<circle cx='{across(value):.1f}' cy='10' r='4' fill='{_LINE}'/>"
    label = f"{digits(value)}, from {digits(low)} to {digits(high)}"
    return _svg(width, 20, label, zero + bar + ends + dot)


def shares_sketch(counts: Mapping[str, int], *, width: int = 320) -> str:
    """How many of a whole are what, as one bar.

    Args:
        counts: outcome of a trajectory -> how many have it; see `SHARES` for the outcomes.
        width: of the drawing, pixels.

    Returns:
        An SVG element, "" if there is none at all.
    """
    total = sum(counts.values())
    if not total:
        return ""
    parts, start = [], 0.0
    for name, count in counts.items():
        length = width * count / total
        if count:
            parts.append(
                f"<rect x='{start:.1f}' y='0' width='{length:.1f}' height='12' fill='{SHARES[name]}'>"
                f"<title>{html.escape(f'{count} {name}', quote=True)}</title></rect>"
            )
        start += length
    label = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return _svg(width, 12, label, "".join(parts))


def _ends(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _stretches(shown: Array) -> list[list[int]]:
    """Positions of consecutive True."""
    places = np.flatnonzero(shown)
    return [part.tolist() for part in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if part.size]


def _word(x: float, y: float, text: str, anchor: str) -> str:
    return f"<text x='{x:g}' y='{y:g}' {_LABEL} text-anchor='{anchor}'>{html.escape(text, quote=True)}</text>"


def _svg(width: int, height: int, label: str, body: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' "
        f"role='img' aria-label='{html.escape(label, quote=True)}'>{body}</svg>"
    )
