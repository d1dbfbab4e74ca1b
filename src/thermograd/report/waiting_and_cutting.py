"""The loss of a watched training, and what waiting or cutting the learning rate would each take off it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import Figure
from thermograd.report.look import banded, line, stacked, style
from thermograd.report.watched_training import WatchedTraining

_PRICES = (
    ("waiting", "waiting as long again"),
    ("cutting", "cutting the rate"),
)
_MARKED_RATES = 5


def waiting_and_cutting(training: WatchedTraining) -> tuple[Figure, ...]:
    """Learning rate, training loss, and the two prices, against steps.

    Args:
        training: what the watch recorded.

    Returns:
        No figure where no losses were recorded; no panel of prices where there are none.
    """
    step, loss, rate = (training.column(name) for name in ("step", "loss", "learning_rate"))
    if not np.isfinite(loss).any():
        return ()
    priced = any(np.isfinite(training.column(name)).any() for name, _ in _PRICES)
    panels = [("learning rate", 2.0), ("training loss", 3.0), ("takes off the loss", 3.0)]
    drawing = stacked(
        "time (optimiser steps)",
        panels if priced else panels[:2],
        height=640 if priced else 480,
        hovermode="closest",
        **training.cut_lines(),
    )
    loss_panel, rate_panel = (2, 3) if priced else (1, 2)
    drawing[f"yaxis{rate_panel}"] |= {"type": "log", "tickformat": "~g"} | _ticks(rate)
    if np.nanmin(loss) > 0:
        drawing["yaxis" if loss_panel == 1 else f"yaxis{loss_panel}"] |= {"type": "log", "tickformat": "~g"}
    traces = [
        line(
            step, rate, "learning rate", style(1).colour, shape="vh", yaxis=f"y{rate_panel}", showlegend=False
        ),
        line(
            step,
            loss,
            "training loss",
            style(0).colour,
            yaxis="y" if loss_panel == 1 else f"y{loss_panel}",
            showlegend=False,
        ),
    ]
    columns = {
        f"{name}{end}": training.column(f"{name}{end}")
        for name, _ in _PRICES
        for end in ("", "_low", "_high")
    }
    if priced:
        for place, (name, label) in enumerate(_PRICES, start=2):
            traces += banded(
                step, columns[name], columns[f"{name}_low"], columns[f"{name}_high"], label, place
            )
    return (
        Figure(
            stem="fluctuation_dissipation",
            name="waiting_and_cutting",
            title="Training loss, and what waiting or cutting would take off it",
            conclusion=_conclusion(training),
            traces=tuple(traces),
            layout=drawing,
            table={
                "step": step.tolist(),
                "learning rate": rate.tolist(),
                "training loss": loss.tolist(),
                **{name.replace("_", ", "): values.tolist() for name, values in columns.items()},
            },
        ),
    )


def _ticks(rate: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Marks at the rates themselves while they are few, else at the decades."""
    rates = np.unique(rate[rate > 0])
    return {"tickvals": rates.tolist()} if len(rates) <= _MARKED_RATES else {"dtick": 1}


def _conclusion(training: WatchedTraining) -> str:
    names = ("waiting", "waiting_low", "waiting_high", "cutting")
    columns = [training.column(name) for name in names]
    known = np.flatnonzero(np.isfinite(columns).all(axis=0))
    loss = training.column("loss")
    last = int(np.flatnonzero(np.isfinite(loss))[-1])
    text = f"Training loss {loss[last]:.3g} at step {training.blocks[last]['step']}."
    if not known.size:
        return text
    at = int(known[-1])
    waiting, low, high, cutting = (float(column[at]) for column in columns)
    answer = (
        "cutting pays" if high < cutting else "waiting pays" if low > cutting else "they cannot be told apart"
    )
    return (
        f"{text} At step {training.blocks[at]['step']} waiting would take {waiting:.2g} [{low:.2g}, {high:.2g}] off it "
        f"and a cut {cutting:.2g}: {answer}."
    )
