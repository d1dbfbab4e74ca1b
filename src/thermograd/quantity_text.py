"""A quantity in one line, and a sketch of a curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def brief(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return f"{value.item():.4g}"
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return f"array of shape {value.shape}"
        if value.ndim == 1 and value.size <= 4:
            return "[" + ", ".join(brief(entry.item()) for entry in value) + "]"
        if value.ndim == 1:
            return f"curve of {value.size} points, {brief(value[0].item())} to {brief(value[-1].item())}"
        return f"array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(brief(entry) for entry in value) + ")"
    return str(value)


def interval_text(value: Any, interval: tuple[Any, Any], level: float | None) -> str:
    """A value with its interval."""
    confidence = "" if level is None else f" at {100 * level:g} %"
    if np.ndim(value):
        return f"{brief(np.asarray(value))} with band{confidence}"
    return f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g}{confidence})"


def curve_svg(at: Array | None, value: Any, interval: tuple[Any, Any] | None) -> str:
    """A static sketch of a curve and its band; nothing for scalars and matrices."""
    if np.ndim(value) != 1 or np.size(value) < 2:
        return ""
    curve = np.asarray(value, float)
    band = [curve, curve] if interval is None else [np.asarray(edge, float) for edge in interval]
    place = np.arange(curve.size, dtype=float) if at is None else np.asarray(at, float)
    shown = np.isfinite(curve) & np.isfinite(band[0]) & np.isfinite(band[1])
    if shown.sum() < 2:
        return ""
    low, high = min(band[0][shown].min(), curve[shown].min()), max(band[1][shown].max(), curve[shown].max())
    across = 310 * (place - place[shown].min()) / max(np.ptp(place[shown]), 1e-300) + 5

    def points(heights: Array, order: slice) -> str:
        down = 115 - 110 * (heights - low) / max(high - low, 1e-300)
        return " ".join(
            f"{x:.1f},{y:.1f}" for x, y in zip(across[shown][order], down[shown][order], strict=True)
        )

    forward, back = slice(None), slice(None, None, -1)
    return (
        "<svg width='320' height='120' role='img' aria-label='sketch of the curve'>"
        f"<polygon points='{points(band[1], forward)} {points(band[0], back)}' fill='#56B4E9' opacity='.4'/>"
        f"<polyline points='{points(curve, forward)}' fill='none' stroke='#0072B2' stroke-width='2'/></svg>"
    )
