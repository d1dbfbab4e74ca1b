"""Colours for many curves in order: of a logarithm, with a bar that explains them instead of a legend."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.short_number import short_number
from thermograd.report.figure import escaped
from thermograd.report.look import INK

Array = npt.NDArray[Any]

SCALE = ("#1F6FB4", "#7B61A8", "#B8507F", "#D55E00", "#E69F00")
"""From blue to orange, which every eye tells apart, and neither end lost on white or on dark paper."""
_WIDEST = 6


def shades(values: Any) -> list[str]:
    """One colour for each positive value, even in its logarithm; the text's colour for 0, which has none.

    >>> shades([0, 1, 10, 100])
    ['#222222', '#1F6FB4', '#B8507F', '#E69F00']
    """
    given = np.asarray(values, float)
    positive = given > 0
    places = np.log(np.where(positive, given, 1.0))
    low, high = _ends(places[positive])
    share = np.clip((places - low) / (high - low if high > low else 1.0), 0.0, 1.0)
    return [_mixed(place) if known else INK for place, known in zip(share, positive, strict=True)]


def colour_bar(values: Any, title: str) -> list[dict[str, Any]]:
    """The bar of `shades(values)` on the right, in a trace that draws nothing else; none for fewer than two values.

    Args:
        values: as given to `shades`.
        title: of the bar, escaped here.
    """
    given = np.asarray(values, float)
    positive = np.unique(given[given > 0])
    if positive.size < 2:
        return []
    low, high = (float(end) for end in np.log10(positive[[0, -1]]))
    ticks = _ticks(low, high)
    bar = {
        "title": {"text": f"{escaped(title)}<br>&nbsp;", "side": "top"},  # else the highest tick touches it
        "thickness": 12,
        "outlinewidth": 0,
        "x": 1.02,
        "xpad": 2,
        "tickvals": ticks,
        "ticktext": [short_number(10**tick) for tick in ticks],
    }
    scale = [[place / (len(SCALE) - 1), colour] for place, colour in enumerate(SCALE)]
    marker = {"color": [low, high], "cmin": low, "cmax": high, "colorscale": scale, "showscale": True}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None, None],
            "y": [None, None],
            "name": escaped(title),
            "showlegend": False,
            "hoverinfo": "skip",
            "marker": marker | {"colorbar": bar},
        }
    ]


def _ends(places: Array) -> tuple[float, float]:
    return (float(places.min()), float(places.max())) if places.size else (0.0, 0.0)


def _ticks(low: float, high: float) -> list[float]:
    """Whole decades, every second one if they are many; both ends if there are fewer than two."""
    decades = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    if decades.size < 2:
        return [low, high]
    return [float(tick) for tick in decades[:: 1 + decades.size // _WIDEST]]


def _mixed(share: float) -> str:
    """The colour at a share of the way along the scale."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in SCALE], float)
    along = share * (len(SCALE) - 1)
    parts = [np.interp(along, np.arange(len(SCALE)), stops[:, channel]) for channel in range(3)]
    return "#" + "".join(f"{round(float(part)):02X}" for part in parts)
