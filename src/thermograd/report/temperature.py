"""Dissipation, fluctuation and temperature of a watched training."""

from __future__ import annotations

import numpy as np

from thermograd.report.figure import Figure
from thermograd.report.look import line, logarithmic, stacked, style
from thermograd.report.watched_training import WatchedTraining


def temperature(training: WatchedTraining) -> tuple[Figure, ...]:
    """Dissipation and fluctuation over the window, and the temperature below them, against steps.

    Args:
        training: what the watch recorded.

    Returns:
        No figure where the optimizer has no temperature.
    """
    step = training.column("step")
    sides = {name: training.column(name) for name in ("dissipation", "fluctuation")}
    heat = training.column("temperature")
    if not np.isfinite(sides["fluctuation"]).any():
        return ()
    warm = bool(np.isfinite(heat).any())
    panels = [("units of the loss", 3.0), ("temperature", 2.0)]
    drawing = stacked(
        "time (optimiser steps)",
        panels if warm else panels[:1],
        height=480,
        hovermode="closest",
        **training.cut_lines(),
    )
    upper = "y2" if warm else "y"
    # Before equilibrium dissipation passes through 0, and a logarithm would show little else.
    drawing["yaxis2" if warm else "yaxis"] |= logarithmic(sides["fluctuation"], room=5.0)
    traces = [
        line(step, np.where(values > 0, values, np.nan), name, *style(place)[:2], yaxis=upper)
        for place, (name, values) in enumerate(sides.items())
    ]
    if warm:
        drawing["yaxis"] |= logarithmic(heat, room=3.0)
        traces.append(line(step, heat, "temperature", style(4).colour, showlegend=False))
    known = np.flatnonzero(np.isfinite(sides["fluctuation"]))
    at = int(known[-1])
    text = f"At step {training.blocks[at]['step']} the fluctuation is {sides['fluctuation'][at]:.3g}"
    if np.isfinite(sides["dissipation"][at]):
        text += f" and the dissipation {sides['dissipation'][at]:.3g}"
    if np.isfinite(heat[at]):
        text += f"; temperature {heat[at]:.2g} per parameter"
    return (
        Figure(
            stem="fluctuation_dissipation",
            name="temperature",
            title="Dissipation, fluctuation and temperature",
            conclusion=f"{text}, all in units of the loss.",
            traces=tuple(traces),
            layout=drawing,
            table={
                "step": step.tolist(),
                **{name: values.tolist() for name, values in sides.items()},
                "temperature": heat.tolist(),
            },
        ),
    )
