"""Every element of a matrix: predicted across, measured upwards, with the diagonal on which both agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import Figure
from thermograd.report.look import INK, error_bars, layout, line, points

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Elements:
    """Elements of a predicted matrix and of a measured one.

    Attributes:
        name: of the dynamics.
        predicted: `(n,)`.
        measured: `(n,)`.
        low: end of its interval, `(n,)`.
        high: the other end, `(n,)`.

    >>> theory, simulation = np.array([1.0, 2.0]), np.array([1.1, 2.5])
    >>> Elements("sgd", theory, simulation, simulation - 0.2, simulation + 0.2).covered
    0.5
    """

    name: str
    predicted: Array
    measured: Array
    low: Array
    high: Array

    @property
    def covered(self) -> float:
        """Share of the elements whose interval holds the prediction."""
        return float(((self.low <= self.predicted) & (self.predicted <= self.high)).mean())


def theory_beside_simulation(
    compared: Sequence[Elements], quantity: str, unit: str, level: float = 0.95
) -> Figure:
    """A scatter of measured against predicted elements.

    Args:
        compared: one series per dynamics.
        quantity: what they are elements of.
        unit: of both axes.
        level: of the intervals.

    Returns:
        Markers with error bars and the diagonal.

    >>> theory, simulation = np.array([1.0, 2.0]), np.array([1.1, 2.5])
    >>> sgd = Elements("sgd", theory, simulation, simulation - 0.2, simulation + 0.2)
    >>> print(theory_beside_simulation([sgd], "Covariance", "θ²").conclusion)
    The 95 % interval holds the prediction in 50 % (sgd) of the elements.
    """
    everything = np.concatenate([entry.predicted for entry in compared])
    ends = np.array([everything.min(), everything.max()])
    ends = ends + np.array([-0.05, 0.05]) * max(float(np.ptp(ends)), 1e-300)
    traces: list[dict[str, Any]] = [line(ends, ends, "equal", INK, "dot", hoverinfo="skip")]
    for place, entry in enumerate(compared):
        mark = points(entry.predicted, entry.measured, entry.name, place)
        mark["error_y"] = error_bars(entry.measured, entry.low, entry.high)
        mark["marker"] |= {"size": 7}
        traces.append(mark)
    shares = ", ".join(f"{100 * entry.covered:.0f} % ({entry.name})" for entry in compared)
    return Figure(
        stem="stationary_state",
        name=f"elements_{quantity.split()[0].lower()}",
        title=f"{quantity}: simulation against theory, element by element",
        conclusion=f"The {100 * level:g} % interval holds the prediction in {shares} of the elements.",
        traces=tuple(traces),
        layout=layout(
            f"theory ({unit})",
            f"simulation ({unit})",
            hovermode="closest",
            xaxis={"exponentformat": "e"},
            yaxis={"exponentformat": "e"},
        ),
        table={
            "dynamics": [entry.name for entry in compared for _ in entry.predicted],
            f"theory ({unit})": np.concatenate([entry.predicted for entry in compared]).tolist(),
            f"simulation ({unit})": np.concatenate([entry.measured for entry in compared]).tolist(),
            "from": np.concatenate([entry.low for entry in compared]).tolist(),
            "to": np.concatenate([entry.high for entry in compared]).tolist(),
        },
    )
