"""Figures of first passage: survival, the survivors' values, and their relaxation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrik

from thermograd.estimators.first_passage import extrapolated_mean, restricted_mean, survival_function
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.estimators.quasi_steady_state import QuasiSteadyState, relaxation_time
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style
from thermograd.report.ranking import number_text
from thermograd.report.share import share

Array = npt.NDArray[Any]
_TOLERANCE = 0.1


def survival(
    passages: FirstPassageTimes,
    target: str = "the target",
    restricted: Estimate | None = None,
    extrapolated: Estimate | None = None,
) -> Figure:
    """Share of runs that have not yet arrived, with its band.

    Args:
        passages: first-passage times of the unperturbed runs.
        target: the target in words, for the title.
        restricted: their restricted mean, if it is known already.
        extrapolated: their extrapolated mean, if it is known already.

    Returns:
        Psi(t) for t = 0, 1, ..., horizon.
    """
    curve = survival_function(passages, resamples=0)
    time = np.arange(passages.horizon + 1)
    colour = style(0).colour
    traces = [
        *band(time, curve.low, curve.high, "95 % band", colour, "hv"),
        line(time, curve.value, "runs still under way", colour, shape="hv"),
    ]
    return Figure(
        stem="first_passage",
        name="survival",
        title=f"Survival: runs that have not reached {target}",
        conclusion=_survival_conclusion(
            passages,
            curve,
            restricted or restricted_mean(passages),
            extrapolated or extrapolated_mean(passages),
        ),
        traces=tuple(traces),
        layout=layout(
            f"time ({passages.unit}s completed)", "share of runs still under way", yaxis={"range": [0, 1.02]}
        ),
        table={
            f"time ({passages.unit}s)": time.tolist(),
            "share under way": curve.value.tolist(),
            "95 % from": curve.low.tolist(),
            "to": curve.high.tolist(),
        },
    )


def survivors(
    values: Array,
    passages: FirstPassageTimes,
    target: float,
    *,
    times: Array | None = None,
    quantity: str = "value (as recorded)",
) -> Figure:
    """Deciles of the values of the runs that have not arrived, against time, with the target.

    Args:
        values: `(trajectory, time)` recorded values of the unperturbed runs.
        passages: their first-passage times.
        target: the value to reach.
        times: `(time,)` when they were recorded; default 1, 2, ...
        quantity: axis title, with unit.

    Returns:
        Median, and the range from the first to the ninth decile, at each time at which somebody survives.
    """
    time = np.arange(1, values.shape[1] + 1) if times is None else np.asarray(times)
    alive = passages.time[:, None] > time[None, :]
    alive |= ~passages.reached[:, None] & (time[None, :] <= passages.time[:, None])
    kept = np.where(alive & np.isfinite(values), values, np.nan)
    known = np.isfinite(kept).any(axis=0)
    deciles = np.nanquantile(kept[:, known], (0.1, 0.5, 0.9), axis=0)
    time, count = time[known], np.isfinite(kept[:, known]).sum(axis=0)
    colour = style(0).colour
    # The steep beginning would hide what happens near the target.
    late = time >= 0.1 * time[-1]
    shown = time[late]
    traces = [
        *band(shown, deciles[0, late], deciles[2, late], "first to ninth decile", colour),
        line(shown, deciles[1, late], "median of the survivors", colour),
        line(shown[[0, -1]], [target, target], f"target {target:g}", dash="dash"),
    ]
    return Figure(
        stem="first_passage",
        name="survivors",
        title=f"Values of the runs still under way, from {passages.unit} {shown[0]:g} on",
        conclusion=_survivors_conclusion(kept[:, known], time, target, passages.unit),
        traces=tuple(traces),
        layout=layout(f"time ({passages.unit}s completed)", quantity),
        table={
            f"time ({passages.unit}s)": time.tolist(),
            "survivors": count.tolist(),
            "median": deciles[1].tolist(),
            "first decile": deciles[0].tolist(),
            "ninth decile": deciles[2].tolist(),
        },
    )


def quasi_steady(steady: QuasiSteadyState, unit: str = "epoch") -> Figure:
    """Distance of the survivors' distribution from its mean over the window, with the relaxation time.

    Args:
        steady: the analysis of the survivors.
        unit: unit of its times.

    Returns:
        The noise-corrected distance in units of the distribution function, with its 90 % band.
    """
    there = np.isfinite(steady.distance.value)
    time, distance = steady.time[there], steady.distance
    low, high = distance.low[there], distance.high[there]
    colour = style(0).colour
    traces = [
        *band(time, low, high, "90 % band", colour),
        line(time, distance.value[there], "distance", colour),
        line(time[[0, -1]], [_TOLERANCE] * 2, f"tolerance {_TOLERANCE:g}", dash="dash"),
    ]
    found = relaxation_time(steady)
    first, last = steady.window
    shapes = []
    if isinstance(found, Estimate):
        mark = {"width": 2, "dash": "dot", "color": style(1).colour}
        shapes = [
            {
                "type": "line",
                "x0": float(found.value),
                "x1": float(found.value),
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": mark,
            }
        ]
        text = f"Over {unit}s {first} to {last} the survivors are quasi-steady, from {unit} {_whole(found)} on (dotted line)."
    else:
        text = f"{found.text[0].upper()}{found.text[1:].removesuffix('.')}."
    return Figure(
        stem="first_passage",
        name="quasi_steady",
        title=f"Do the survivors settle? Distance from their mean distribution, {unit}s {first} to {last}",
        conclusion=text,
        traces=tuple(traces),
        layout=layout(f"time ({unit}s completed)", "distance (in distribution function)", shapes=shapes),
        table={
            f"time ({unit}s)": time.tolist(),
            "survivors": steady.survivors[there].tolist(),
            "distance": distance.value[there].tolist(),
            "90 % from": low.tolist(),
            "to": high.tolist(),
        },
    )


def _whole(time: Estimate) -> str:
    """A time in whole units, with its interval."""
    return f"{time.value:.0f} ({time.low:.0f} to {time.high:.0f})"


def _survival_conclusion(passages: FirstPassageTimes, curve: Estimate, mean: Estimate, tail: Estimate) -> str:
    arrived = int(passages.reached.sum())
    unit, horizon = f"{passages.unit}s", passages.horizon
    if not arrived:
        bound = number_text(share(0, len(passages)))
        return f"None of {len(passages)} runs arrived within {horizon} {unit} (share {bound}): how long it takes, these data cannot decide."
    left = Estimate(float(curve.value[-1]), (float(curve.low[-1]), float(curve.high[-1])))
    if arrived == len(passages):
        return f"All {len(passages)} runs arrived, in the mean after {number_text(mean)} {unit}."
    if np.isfinite(tail.value):
        beyond = f"{number_text(tail)} if the tail is exponential"
    else:
        beyond = f"at least {number_text(tail.low)} if the tail is exponential; how much more, the data cannot decide"
    return (
        f"{arrived} of {len(passages)} runs arrived; a share of {number_text(left)} was still under way after "
        f"{horizon} {unit}. The mean time is at least {number_text(mean)} {unit}, and {beyond}."
    )


def _survivors_conclusion(kept: Array, time: Array, target: float, unit: str) -> str:
    half = int(np.searchsorted(time, 0.5 * time[-1]))
    then, now = (_median(kept[:, column]) for column in (half, -1))
    count = int(np.isfinite(kept[:, -1]).sum())
    text = f"At {unit} {time[-1]:g} the median of the {count} survivors is {number_text(now)}, the target {target:g}"
    apart = now.low > then.high or now.high < then.low
    if not np.isfinite([now.low, now.high, then.low, then.high]).all():
        return f"{text}; too few survive to decide whether they drift."
    if apart:
        return f"{text}; they have drifted from {number_text(then)} at {unit} {time[half]:g}."
    return f"{text}; whether they drift, their medians cannot decide ({number_text(then)} at {unit} {time[half]:g})."


def _median(column: Array) -> Estimate:
    """The median with its distribution-free interval from order statistics, at least 95 %."""
    values = np.sort(column[np.isfinite(column)])
    middle = float(np.median(values))
    from_ = int(bdtrik(0.025, values.size, 0.5))
    if values.size < 6:
        return Estimate(middle, (float("nan"), float("nan")))
    return Estimate(middle, (float(values[from_]), float(values[values.size - 1 - from_])))
