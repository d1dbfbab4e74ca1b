"""Both sides of the fluctuation-dissipation relation as half-running averages, at one learning rate or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.fluctuation_dissipation import half_running_average
from thermograd.report.figure import Figure
from thermograd.report.look import line, logarithmic, stacked, style, transparent

Array = npt.NDArray[Any]
_POINTS = 300


@dataclass(frozen=True, eq=False)
class BothSides:
    """What was recorded at one learning rate, step by step from its start.

    Attributes:
        learning_rate: η.
        loss: of each minibatch, `(step,)`.
        dissipation: O_L, `(step,)`.
        fluctuation: O_R, `(step,)`.
    """

    learning_rate: float
    loss: Array
    dissipation: Array
    fluctuation: Array


def both_sides(recorded: BothSides) -> Figure:
    """The loss, of each minibatch and half-running; below it O_L and O_R half-running; both axes logarithmic.

    Args:
        recorded: at one learning rate.

    Returns:
        Two panels; where O_L is negative its curve pauses.
    """
    at = _moments(len(recorded.loss))
    averages = {name: half_running_average(values) for name, values in _columns(recorded).items()}
    drawing = _panels(averages["loss"][at], [averages["dissipation"][at], averages["fluctuation"][at]])
    instant = line(at + 1, recorded.loss[at], "loss of a minibatch", transparent(style(0).colour, 0.45))
    instant["line"]["width"] = 1
    traces = [
        instant | {"yaxis": "y2"},
        line(at + 1, averages["loss"][at], "loss, half-running", style(0).colour, yaxis="y2"),
        line(at + 1, _positive(averages["dissipation"][at]), "dissipation O_L", style(1).colour, "dash"),
        line(at + 1, averages["fluctuation"][at], "fluctuation O_R", style(2).colour),
    ]
    return Figure(
        stem="fluctuation_dissipation",
        name="both_sides",
        title=f"Loss, dissipation and fluctuation at learning rate {recorded.learning_rate:g}",
        conclusion=f"{_end(averages)}.",
        traces=tuple(traces),
        layout=drawing,
        table={
            "step": (at + 1).tolist(),
            **{name: values[at].tolist() for name, values in averages.items()},
        },
    )


def several_rates(recorded: Sequence[BothSides]) -> Figure:
    """Half-running loss, O_L and O_R at several learning rates, each counted from where its rate began.

    Args:
        recorded: at one rate each, in the order of training.

    Returns:
        Two panels; colours are rates, dashes are O_L.
    """
    traces: list[dict[str, Any]] = []
    table: dict[str, list[Any]] = {name: [] for name in ("learning rate", "step", "loss", "O_L", "O_R")}
    losses, sides, ends = [], [], []
    for place, entry in enumerate(recorded):
        at = _moments(len(entry.loss))
        colour, rate = style(place).colour, f"η = {entry.learning_rate:g}"
        loss, left, right = (half_running_average(values)[at] for values in _columns(entry).values())
        traces += [
            line(at + 1, loss, rate, colour, legendgroup=rate, showlegend=False, yaxis="y2"),
            line(at + 1, _positive(left), f"O_L, {rate}", colour, "dash", legendgroup=rate),
            line(at + 1, right, f"O_R, {rate}", colour, legendgroup=rate),
        ]
        for name, values in zip(
            table, ([entry.learning_rate] * len(at), at + 1, loss, left, right), strict=True
        ):
            table[name] += np.asarray(values).tolist()
        losses.append(loss)
        sides += [left, right]
        ends.append(f"{left[-1] / right[-1]:.2f} at {rate}")
    drawing = _panels(np.concatenate(losses), sides)
    drawing["height"] = 600
    return Figure(
        stem="fluctuation_dissipation",
        name="several_rates",
        title="Dissipation and fluctuation at one learning rate after another",
        conclusion=f"At the end of each rate O_L / O_R is {', '.join(ends)}.",
        traces=tuple(traces),
        layout=drawing,
        table=table,
    )


def _columns(recorded: BothSides) -> dict[str, Array]:
    return {
        "loss": recorded.loss,
        "dissipation": recorded.dissipation,
        "fluctuation": recorded.fluctuation,
    }


def _moments(steps: int) -> Array:
    """Positions of up to 300 steps, evenly spread in the logarithm of time."""
    return np.unique(np.geomspace(1, steps, min(steps, _POINTS)).round().astype(int)) - 1


def _positive(values: Array) -> Array:
    return np.where(values > 0, values, np.nan)


def _panels(losses: Array, sides: Sequence[Array]) -> dict[str, Any]:
    drawing = stacked(
        "time at this rate (optimiser steps)",
        [("loss", 1.0), ("O_L, O_R", 1.2)],
        height=560,
        hovermode="closest",
    )
    drawing["xaxis"] |= {"type": "log", "dtick": 1}
    drawing["yaxis2"] |= logarithmic(losses, 1.15)
    left, right = np.concatenate(list(sides[::2])), np.concatenate(list(sides[1::2]))
    # A half-running O_L passes through 0 on its way; a logarithm would show little else.
    shown = np.clip(left, right.min() / 10, None)
    drawing["yaxis"] |= logarithmic(np.concatenate([shown, right]), 1.3)
    return drawing


def _end(averages: dict[str, Array]) -> str:
    left, right = float(averages["dissipation"][-1]), float(averages["fluctuation"][-1])
    steps = len(averages["dissipation"])
    return f"After {steps} steps O_L is {left:.3g} and O_R {right:.3g}: their ratio is {left / right:.2f}"
