"""Survival: the share of runs that have not arrived, against time."""

from __future__ import annotations

import numpy as np

from thermograd.estimators.first_passage import extrapolated_mean, restricted_mean, survival_function
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.quantities import Estimate
from thermograd.report.figure import Figure
from thermograd.report.look import band, layout, line, style
from thermograd.report.ranking import number_text
from thermograd.report.share import share


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
