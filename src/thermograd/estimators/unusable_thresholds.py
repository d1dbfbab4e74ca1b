"""Why no threshold gives an exponent of aging: never reached, or passed at the first lag already."""

from __future__ import annotations

import numpy as np

from thermograd.estimators.displacement_curves import DisplacementCurves
from thermograd.estimators.short_number import short_number
from thermograd.estimators.stable_thresholds import DECADES, FEWEST_TIMES
from thermograd.estimators.threshold_times import FEWEST, ThresholdTimes


def nothing_moves(curves: DisplacementCurves) -> str:
    """What to say of displacements that are all 0."""
    return (
        f"nothing moves: every displacement at the {curves.waiting_times.size} waiting times is 0; the weights are frozen, "
        "or copies were recorded instead of the weights that are trained"
    )


def why_unusable(curves: DisplacementCurves, found: ThresholdTimes, *, stable: bool) -> str:
    """Why there is no exponent, with the displacements that were seen.

    Args:
        curves: the displacement.
        found: its times at the thresholds that were tried, none of which can be used.
        stable: whether the thresholds were ours.
    """
    low, high = (short_number(end) for end in curves.range)
    waiting = f"t_w {curves.waiting_times[0]}…{curves.waiting_times[-1]}"
    decades = float(np.log10(curves.waiting_times[-1] / curves.waiting_times[0]))
    if stable and (curves.waiting_times.size < FEWEST_TIMES or decades < DECADES):
        return (
            f"there are {curves.waiting_times.size} waiting times over {decades:.2g} decades ({waiting}); thresholds are "
            f"chosen from {FEWEST_TIMES} over {DECADES:g}: take a wider window, or give a threshold"
        )
    if stable:
        return (
            f"no threshold is reached from {FEWEST_TIMES} waiting times over {DECADES:g} decade and passed at the first lag by none ({waiting}, "
            f"displacements {low}…{high}); train longer, drop early waiting times, or give a threshold"
        )
    level = short_number(found.levels[0])
    short = found.too_short[:, 0]
    if short.any():
        last = int(curves.waiting_times[short][-1])
        return (
            f"the displacement passes {level} at the first lag already at {int(short.sum())} of {short.size} waiting "
            f"times (up to {last}): that is the noise of single steps; raise the threshold, or use later waiting times"
        )
    known = int(np.isfinite(found.times[:, 0]).sum())
    if not known:
        return f"the displacement never reaches {level}; largest seen {high} ({waiting})"
    return (
        f"the displacement reaches {level} at {known} of {short.size} waiting times only, {FEWEST} are needed; largest "
        f"seen {high} ({waiting})"
    )
