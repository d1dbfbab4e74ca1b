"""Against curvature: how far approximations of the reshuffled noise are off, and how the variance goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import INK, layout, line, logarithmic, points, style

Array = npt.NDArray[Any]


def approximations_by_mode(curvatures: Array, ratios: Mapping[str, Array]) -> Figure:
    """Approximate over exact noise of an epoch without replacement in every direction of the Hessian.

    Args:
        curvatures: h, `(N,)`.
        ratios: name of the approximation -> its ratio to the exact diffusion, `(N,)`.

    Returns:
        Both axes logarithmic, with the line at 1.
    """
    traces = [
        {
            **points(curvatures, ratio, name, place),
            "mode": "lines+markers",
            "line": {"color": style(place).colour, "width": 1},
        }
        for place, (name, ratio) in enumerate(ratios.items())
    ]
    worst = {name: float(np.min(np.minimum(ratio, 1 / ratio))) for name, ratio in ratios.items()}
    said = ", ".join(f"{name} by a factor of {1 / value:.3g}" for name, value in worst.items())
    return Figure(
        stem="stationary_state",
        name="approximations_by_mode",
        title="Noise of a reshuffled epoch: approximations over the exact one",
        conclusion=f"In the worst direction they are off: {said}.",
        traces=(line([curvatures.min(), curvatures.max()], [1, 1], "exact", INK, "dot"), *traces),
        layout=layout(
            "curvature h",
            "approximate / exact variance of an epoch",
            hovermode="closest",
            xaxis=logarithmic(curvatures),
            yaxis=logarithmic(np.concatenate([*ratios.values(), [1.0]])),
        ),
        table={"curvature": curvatures.tolist(), **{name: ratio.tolist() for name, ratio in ratios.items()}},
    )


def variance_by_curvature(
    curvatures: Array, variances: Mapping[str, Array], exponents: Mapping[str, Estimate]
) -> Figure:
    """Variance of the weights in the directions of the Hessian against their curvature.

    Args:
        curvatures: h, `(N,)`.
        variances: name of the dynamics -> measured variance, `(N,)`.
        exponents: the same names -> the exponent p of variance ∝ curvature^p.

    Returns:
        Both axes logarithmic, each dynamics over its own mean.
    """
    shown = {name: values / values.mean() for name, values in variances.items()}
    traces = [
        {
            **points(curvatures, values, name, place),
            "mode": "lines+markers",
            "line": {"color": style(place).colour, "width": 1},
        }
        for place, (name, values) in enumerate(shown.items())
    ]
    said = ", ".join(
        f"{name} {entry.value:.2f} ({entry.low:.2f} to {entry.high:.2f})" for name, entry in exponents.items()
    )
    return Figure(
        stem="stationary_state",
        name="variance_by_curvature",
        title="Variance of the weights against curvature",
        conclusion=f"Exponent p of variance ∝ curvature^p: {said}. A Boltzmann distribution of the loss has −1.",
        traces=tuple(traces),
        layout=layout(
            "curvature h",
            "variance / its mean",
            hovermode="closest",
            xaxis=logarithmic(curvatures),
            yaxis=logarithmic(np.concatenate(list(shown.values()))),
        ),
        table={
            "curvature": curvatures.tolist(),
            **{name: values.tolist() for name, values in variances.items()},
        },
    )


def bridge(steps: Array, spread: Array, steps_per_epoch: int) -> Figure:
    """Spread of the weights at every step of a few epochs without replacement: a bridge from epoch end to epoch end.

    Args:
        steps: `(time,)`.
        spread: tr Σ over trajectories, `(time,)`.
        steps_per_epoch: n.

    Returns:
        A line, logarithmic, with the ends of epochs marked.
    """
    ends = steps % steps_per_epoch == 0
    inside = spread[~ends].max() / spread[ends].mean()
    return Figure(
        stem="stationary_state",
        name="bridge",
        title="Spread of the weights within reshuffled epochs",
        conclusion=f"In the middle of an epoch tr Σ is {inside:.3g} times that at its end: take states at ends of epochs.",
        traces=(
            line(steps, spread, "every step", style(0).colour),
            points(steps[ends], spread[ends], "ends of epochs", 1),
        ),
        layout=layout("step", "tr Σ", yaxis=logarithmic(spread)),
        table={"step": steps.tolist(), "tr Σ": spread.tolist()},
    )
