"""The drawing of one observable of a run that goes on, without its numbers."""

from __future__ import annotations

from typing import Any

from thermograd.report.ensemble import axis_of, words
from thermograd.report.look import band, layout, line, style


def live_figure(name: str, unit: str) -> dict[str, Any]:
    """What the page fills with the numbers as they come: lower edge, upper edge and mean, in that order.

    Args:
        name: of the observable.
        unit: of the time axis, "step" or "epoch".

    Returns:
        `title`, plain text, and plotly's `data` and `layout`, whose text is escaped.

    >>> drawing = live_figure("test_accuracy", "epoch")
    >>> drawing["title"], [trace["name"] for trace in drawing["data"]][1:]
    ('Test accuracy', ['± 1 standard deviation of trajectories', 'mean'])
    """
    colour, dash, _ = style(0)
    traces = [
        *band([], [], [], "± 1 standard deviation of trajectories", colour),
        line([], [], "mean", colour, dash),
    ]
    return {
        "title": words(name).capitalize(),
        "data": traces,
        "layout": layout(f"time ({unit}s completed)", axis_of(name), uirevision="kept"),
    }
