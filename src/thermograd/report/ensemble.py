"""Figures of any run: every recorded scalar with its spread, and when trajectories diverged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import chdtri

from thermograd.estimators.kaplan_meier import kaplan_meier
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style
from thermograd.report.ranking import number_text
from thermograd.report.spread import Spread, change
from thermograd.report.spread import spread as spread_of
from thermograd.store.run import Run

LARGEST_NUMBER = 24
"""Most observables that get a figure of their own."""
_UNITS = {
    "accuracy": "fraction of samples",
    "loss": "loss per sample",
    "displacement": "squared, per parameter",
}


def spread(run: Run, targets: Mapping[str, float] | None = None) -> tuple[Figure, ...]:
    """Each recorded scalar against time: mean, its interval, and the spread of the trajectories.

    Args:
        run: the recorded ensemble; trajectories that diverged are left out.
        targets: observable -> a level to mark.

    Returns:
        One figure for each of the first 24 scalars with any value.
    """
    figures = []
    for name in run.scalars[:LARGEST_NUMBER]:
        curves = spread_of(run, name)
        if curves.steps.size:
            figures.append(_spread_figure(run, name, curves, (targets or {}).get(name)))
    return tuple(figures)


def divergence(run: Run) -> tuple[Figure, ...]:
    """Share of trajectories whose weights are still finite, against time.

    The Kaplan-Meier estimate with its Clopper-Pearson band; a trajectory still under way counts up to the
    step that is committed.

    Args:
        run: the recorded ensemble.

    Returns:
        One figure, none if no trajectory diverged.
    """
    diverged_at = run.diverged_at
    diverged = diverged_at >= 0
    if not diverged.any():
        return ()
    seen = np.repeat(run.committed, run.source.header.block_size)[: run.trajectories]
    unit, (scale,) = clock([run])
    last = np.where(diverged, diverged_at, np.maximum(seen, 0))
    survival = kaplan_meier(last, diverged, np.ones(last.size, np.int64))
    # A step function is told by its corners; the last time closes it.
    steps = np.unique(np.append(survival.knots, last.max()).clip(max=last.max()))
    value, (low, high) = survival.at(steps), survival.band(steps, 0.95)
    colour = style(0).colour
    traces = [
        *band(steps / scale, low, high, "95 % band", colour, "hv"),
        line(steps / scale, value, "not diverged", colour, shape="hv"),
    ]
    left = Estimate(float(value[-1]), (float(low[-1]), float(high[-1])))
    first = diverged_at[diverged].min() / scale
    figure = Figure(
        stem="ensemble",
        name="divergence",
        title="Trajectories that have not diverged",
        conclusion=(
            f"{int(diverged.sum())} of {run.trajectories} trajectories diverged, the first at {unit} {first:.3g}; "
            f"the share still finite at {unit} {steps[-1] / scale:g} is {number_text(left)}."
        ),
        traces=tuple(traces),
        layout=layout(f"time ({unit}s completed)", "share with finite weights", yaxis={"range": [0, 1.02]}),
        table={
            f"time ({unit}s)": (steps / scale).tolist(),
            "share not diverged": value.tolist(),
            "95 % from": low.tolist(),
            "to": high.tolist(),
        },
    )
    return (figure,)


def words(name: str) -> str:
    """An array's name as a person says it.

    >>> words("test_accuracy"), words("area/01")
    ('test accuracy', 'area 01')
    """
    return name.replace("_", " ").replace("/", " ")


def axis_of(name: str) -> str:
    """Axis title of an observable, with its unit."""
    unit = _UNITS.get(name.replace("/", "_").rsplit("_", 1)[-1], "as recorded")
    return f"{words(name)} ({unit})"


def clock(runs: list[Run]) -> tuple[str, list[int]]:
    """The unit of the time axis and, per run, how many steps it is: epochs if every run has a whole one."""
    if all(run.steps >= run.steps_per_epoch > 1 for run in runs):
        return "epoch", [run.steps_per_epoch for run in runs]
    return "step", [1 for _ in runs]


def _spread_figure(run: Run, name: str, curves: Spread, target: float | None) -> Figure:
    unit, (scale,) = clock([run])
    time = curves.steps / scale
    mean = curves.estimate()
    colour, dash, _ = style(0)
    single = not np.isfinite(curves.deviation).any()
    traces: list[dict[str, Any]] = []
    if not single:
        low, high = curves.mean - curves.deviation, curves.mean + curves.deviation
        traces += band(time, low, high, "± 1 standard deviation of trajectories", colour)
        traces += band(time, mean.low, mean.high, "95 % interval of the mean", style(1).colour)
    traces.append(line(time, curves.mean, "the trajectory" if single else "mean", colour, dash))
    if target is not None:
        traces.append(line(time[[0, -1]], [target, target], f"target {target:g}", dash="dash"))
    return Figure(
        stem="ensemble",
        name=name,
        title=f"{words(name)} with its spread".capitalize(),
        conclusion=_conclusion(run, name, curves, unit, scale),
        traces=tuple(traces),
        layout=layout(f"time ({unit}s completed)", axis_of(name)),
        table={
            f"time ({unit}s)": time.tolist(),
            "mean": curves.mean.tolist(),
            "mean, 95 % from": mean.low.tolist(),
            "to": mean.high.tolist(),
            "standard deviation": curves.deviation.tolist(),
            "trajectories": curves.count.tolist(),
        },
    )


def _conclusion(run: Run, name: str, curves: Spread, unit: str, scale: int) -> str:
    mean = curves.estimate()
    last = curves.steps.size - 1
    end = f"{unit} {curves.steps[last] / scale:g}"
    count = int(curves.count[last])
    if count < 2:
        value = number_text(float(curves.mean[last]))
        return f"{value} at {end} in one trajectory: with a single one no interval can be given."
    text = f"Mean {number_text(_at(mean, last))} at {end} over {count} trajectories, whose standard deviation is "
    text += number_text(_deviation(curves, last))
    first = int(np.searchsorted(curves.steps, 0.75 * curves.steps[last]))
    if first >= last:
        return text + "."
    drift = change(run, name, int(curves.steps[first]), int(curves.steps[last]))
    since = f"{number_text(drift)} since {unit} {curves.steps[first] / scale:g}"
    if drift.low > 0 or drift.high < 0:
        return f"{text}. It still {'rises' if drift.value > 0 else 'falls'}: {since}."
    return f"{text}. Whether it still changes, the data cannot decide: {since}."


def _deviation(curves: Spread, position: int) -> Estimate:
    """Standard deviation with the interval it has for normal trajectories (chi-squared)."""
    from_, to = _deviation_interval(int(curves.count[position]), float(curves.deviation[position]))
    return Estimate(float(curves.deviation[position]), (from_, to))


def _deviation_interval(count: int, deviation: float) -> tuple[float, float]:
    degrees = count - 1
    return tuple(deviation * float(np.sqrt(degrees / chdtri(degrees, tail))) for tail in (0.025, 0.975))  # type: ignore[return-value]  # two tails


def _at(curve: Estimate, position: int) -> Estimate:
    ends = (float(curve.low[position]), float(curve.high[position]))
    return Estimate(float(curve.value[position]), ends, curve.level)
