"""Schedules of the learning rate side by side: rate, training loss and accuracies against epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import Figure
from thermograd.report.look import line, logarithmic, points, stacked, style

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ScheduledTraining:
    """Trainings under one schedule, each epoch.

    Attributes:
        learning_rate: in force during the epoch, `(seed, epoch)`; one that only scales the step of an adaptive
            optimizer counts as well.
        train_loss: after the epoch, over the whole training set with its regulariser, `(seed, epoch)`.
        train_accuracy: the same, a fraction.
        test_accuracy: over the test set, a fraction.
    """

    learning_rate: Array
    train_loss: Array
    train_accuracy: Array
    test_accuracy: Array


def schedules(trainings: Mapping[str, ScheduledTraining]) -> Figure:
    """Rate, training loss, training and test accuracy against epochs, a colour each, averaged over seeds.

    Args:
        trainings: schedule -> its trainings.

    Returns:
        Four panels; cuts of the first seed are marked on its rate.
    """
    drawing = stacked(
        "time (epochs)",
        [("learning rate", 1.2), ("training loss", 1.3), ("train accuracy", 1.0), ("test accuracy", 1.0)],
        gap=0.045,
        height=860,
        hovermode="closest",
    )
    rates = np.concatenate([entry.learning_rate.ravel() for entry in trainings.values()])
    drawing["yaxis4"] |= logarithmic(rates, 1.6) | {"dtick": 1, "tickformat": "~g"}
    for axis, name in (
        ("yaxis3", "train_loss"),
        ("yaxis2", "train_accuracy"),
        ("yaxis", "test_accuracy"),
    ):
        drawing[axis]["range"] = _late(trainings, name)
    traces: list[dict[str, Any]] = []
    for place, (name, entry) in enumerate(trainings.items()):
        traces += _of(name, entry, place)
    final = sorted(trainings, key=lambda name: trainings[name].train_loss[:, -1].mean())
    shown = ", ".join(f"{name} {trainings[name].train_loss[:, -1].mean():.4g}" for name in final)
    seeds = len(next(iter(trainings.values())).train_loss)
    return Figure(
        stem="fluctuation_dissipation",
        name="schedules",
        title="Schedules of the learning rate",
        conclusion=f"Training loss at the end, mean of {seeds} seeds, lowest first: {shown}.",
        traces=tuple(traces),
        layout=drawing,
        table=_table(trainings),
    )


def _of(name: str, entry: ScheduledTraining, place: int) -> list[dict[str, Any]]:
    colour, dash, _ = style(place)
    epoch = np.arange(1, entry.train_loss.shape[1] + 1)
    rate = entry.learning_rate[0]
    traces = [
        line(epoch, rate, name, colour, dash, "hv", yaxis="y4", legendgroup=name),
        line(epoch, entry.train_loss.mean(0), name, colour, dash, yaxis="y3"),
        line(epoch, entry.train_accuracy.mean(0), name, colour, dash, yaxis="y2"),
        line(epoch, entry.test_accuracy.mean(0), name, colour, dash, yaxis="y"),
    ]
    for trace in traces[1:]:
        trace |= {"showlegend": False, "legendgroup": name}
        trace["line"]["width"] = 1.5
    cuts = np.flatnonzero(np.diff(rate) < 0) + 1
    mark = points(epoch[cuts], rate[cuts], f"cut, {name}", place, yaxis="y4", legendgroup=name)
    mark |= {"showlegend": False}
    mark["marker"]["size"] = 6
    return [*traces, mark] if cuts.size else traces


def _late(trainings: Mapping[str, ScheduledTraining], name: str) -> list[float]:
    """From below all curves after their first tenth, to above them."""
    curves = [getattr(entry, name).mean(0) for entry in trainings.values()]
    late = np.concatenate([curve[len(curve) // 10 :] for curve in curves])
    room = 0.08 * max(float(np.ptp(late)), 0.005)
    return [float(late.min()) - room, float(late.max()) + room]


def _table(trainings: Mapping[str, ScheduledTraining]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("schedule", "epoch", "learning rate", "training loss", "train accuracy", "test accuracy")
    }
    for name, entry in trainings.items():
        epochs = entry.train_loss.shape[1]
        rows = (
            [name] * epochs,
            range(1, epochs + 1),
            entry.learning_rate[0].tolist(),
            *(
                values.mean(0).tolist()
                for values in (entry.train_loss, entry.train_accuracy, entry.test_accuracy)
            ),
        )
        for column, values in zip(columns.values(), rows, strict=True):
            column += values
    return columns
