"""What a regression with one input predicts: mean, spread over the draws of the weights, and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, points, style

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PredictiveCurve:
    """A predictive distribution over one input.

    Attributes:
        inputs: ascending, `(n,)`.
        mean: over draws, `(n,)`.
        std: over draws, `(n,)`.
        noise_std: of the targets about the outputs.
        data: inputs and targets, each `(M,)`.
        exact: standard deviation under the exact posterior, `(n,)`; None if not known.
    """

    inputs: Array
    mean: Array
    std: Array
    noise_std: float
    data: tuple[Array, Array]
    exact: Array | None = None


def predictive_band(curve: PredictiveCurve) -> Figure:
    """Mean ± 2 standard deviations of new targets, and of the function alone, with the data.

    Args:
        curve: what is predicted.

    Returns:
        Data, line and two bands.
    """
    whole = np.sqrt(curve.std**2 + curve.noise_std**2)
    colour, other = style(0).colour, style(1).colour
    x, y = curve.data
    inside = np.abs(y - np.interp(x, curve.inputs, curve.mean)) <= 2 * np.interp(x, curve.inputs, whole)
    traces: list[dict[str, Any]] = [
        *band(curve.inputs, curve.mean - 2 * whole, curve.mean + 2 * whole, "new targets, ± 2 std", other),
        *band(
            curve.inputs,
            curve.mean - 2 * curve.std,
            curve.mean + 2 * curve.std,
            "function, ± 2 std",
            colour,
        ),
        line(curve.inputs, curve.mean, "predictive mean", colour),
    ]
    data = points(x, y, "data", 2)
    data["marker"] |= {"size": 4, "line": {"width": 0}}
    traces.append(data)
    text = f"{100 * inside.mean():.0f} % of the data lie inside ± 2 standard deviations (95 % if they are right)."
    if curve.exact is not None:
        ratio = curve.std / curve.exact
        text += f" The function's standard deviation is {ratio.min():.3f} to {ratio.max():.3f} times the exact one."
    return Figure(
        stem="posterior",
        name="predictive_band",
        title="Predictive distribution of the regression",
        conclusion=text,
        traces=tuple(traces),
        layout=layout("input x", "target y", hovermode="closest"),
        table={
            "x": curve.inputs.tolist(),
            "mean": curve.mean.tolist(),
            "std of the function": curve.std.tolist(),
            "std of a new target": whole.tolist(),
        },
    )
