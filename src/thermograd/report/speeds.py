"""How many trajectory-steps a second each way of training makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thermograd.report.figure import Figure, escaped
from thermograd.report.look import layout, points


@dataclass(frozen=True, eq=False)
class Speeds:
    """Repeated measurements of several ways to train several networks.

    Attributes:
        measured: network -> way -> trajectory-steps per second, a number for each repetition.
    """

    measured: Mapping[str, Mapping[str, tuple[float, ...]]]


def speeds(found: Speeds) -> Figure:
    """Trajectory-steps a second, a row a network, a mark a way; bars from the slowest repetition to the fastest.

    Args:
        found: the measurements.

    Returns:
        Marks on a logarithmic axis, medians with bars.
    """
    ways = list(dict.fromkeys(way for measured in found.measured.values() for way in measured))
    rows = list(found.measured)
    traces = []
    for place, way in enumerate(ways):
        held = [
            (row, np.array(found.measured[name][way]))
            for row, name in enumerate(rows)
            if way in found.measured[name]
        ]
        medians = [float(np.median(values)) for _, values in held]
        mark = points(medians, [row for row, _ in held], way, place)
        mark["error_x"] = {
            "array": [
                float(values.max()) - middle for (_, values), middle in zip(held, medians, strict=True)
            ],
            "arrayminus": [
                middle - float(values.min()) for (_, values), middle in zip(held, medians, strict=True)
            ],
        }
        traces.append(mark)
    return Figure(
        stem="engines",
        name="speeds",
        title="Trajectory-steps per second on one thread",
        conclusion="; ".join(f"{name}: {_fastest(found.measured[name])}" for name in rows) + ".",
        traces=tuple(traces),
        layout=layout(
            "trajectory-steps per second",
            "",
            xaxis={"type": "log"},
            yaxis={
                "tickvals": list(range(len(rows))),
                "ticktext": [escaped(name).replace(", ", ",<br>") for name in rows],
                "range": [len(rows) - 0.5, -0.5],
            },
            hovermode="closest",
        ),
        table={
            "network": [name for name in rows for way in found.measured[name]],
            "way": [way for name in rows for way in found.measured[name]],
            "median (1/s)": [float(np.median(v)) for name in rows for v in found.measured[name].values()],
            "slowest (1/s)": [min(values) for name in rows for values in found.measured[name].values()],
            "fastest (1/s)": [max(values) for name in rows for values in found.measured[name].values()],
        },
    )


def _fastest(measured: Mapping[str, tuple[float, ...]]) -> str:
    """The fastest way, and how many times the slowest it is."""
    medians = {way: float(np.median(values)) for way, values in measured.items()}
    best, worst = max(medians, key=medians.__getitem__), min(medians, key=medians.__getitem__)
    return f"{best} {medians[best]:.2g} a second, {medians[best] / medians[worst]:.2g} times {worst}"
