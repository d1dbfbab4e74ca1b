"""The fluctuation-dissipation relation on recorded numbers (Yaida, arXiv 1810.00004)."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.estimators.block_ends import BlockEnds, block_ends
from thermograd.estimators.landscape_response import LandscapeResponse, landscape_response
from thermograd.estimators.relaxation_of_a_direction import SlowestDirection, slowest_direction
from thermograd.estimators.stationarity import Stationarity, stationarity
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.estimators.waiting_or_cutting import WaitingOrCutting, waiting_or_cutting
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate

__all__ = [
    "BlockEnds",
    "LandscapeResponse",
    "SlowestDirection",
    "Stationarity",
    "WaitingOrCutting",
    "block_ends",
    "half_running_average",
    "landscape_response",
    "ratio",
    "slowest_direction",
    "stationarity",
    "waiting_or_cutting",
]

_ENOUGH = 8
_MOST = 16


def half_running_average(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Mean over the last half of everything so far (Eq 15): entry t, counted from 1, over ⌊t/2⌋ + 1 .. t.

    Args:
        values: one number per time, on the last axis.

    Returns:
        An array of the same shape; NaN where an entry inside that half is not finite.

    >>> half_running_average([4.0, 2.0, 0.0, 6.0]).tolist()
    [4.0, 2.0, 1.0, 3.0]
    """
    recorded = np.atleast_1d(real_numbers("values", values))
    last = np.arange(1, recorded.shape[-1] + 1)
    known = np.isfinite(recorded)
    total, unknown = (
        sums[..., last] - sums[..., last // 2]
        for sums in map(_sums, (np.where(known, recorded, 0.0), ~known))
    )
    return np.where(unknown > 0, np.nan, total / (last - last // 2))


def _sums(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Of everything before each entry, and of all at the end."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


def ratio(
    dissipation: npt.ArrayLike,
    fluctuation: npt.ArrayLike,
    *,
    steps_per_epoch: int | None = None,
    window: Literal["half", "all"] = "half",
    level: float = 0.95,
) -> Estimate:
    """Dissipation over fluctuation, ⟨O_L⟩/⟨O_R⟩, of recorded steps; 1 in the stationary state.

    O_L = (θ − c)·g and O_R = (1 + μ)/(2(1 − ν)) |Δ|²/η (FDR1, FDR1'). The pieces are the trajectories where there
    are 8 or more, else 16 stretches of whole epochs of each; within an epoch that reshuffles the samples the
    two are far apart even in equilibrium. The interval is that of a ratio of means (delta method, Student's t).
    About the origin, as in the paper, it is honest and wide; take a centre near the weights.

    Args:
        dissipation: O_L per step, (trajectory, time) or (time,).
        fluctuation: O_R per step, of the same shape.
        steps_per_epoch: optimiser steps of an epoch; None if there are no epochs.
        window: the last half of the record, or all of it.
        level: two-sided, of the interval.

    Returns:
        Shape ().

    Raises:
        ConfigError: a ValueError: shapes differ, there are too few epochs for an interval, numbers that are not finite,
            or no fluctuation at all.

    >>> noise = np.random.default_rng(0).exponential(size=(2, 400))
    >>> found = ratio(noise[:1], noise[1:], steps_per_epoch=10)
    >>> bool(found.low < 1 < found.high)
    True
    """
    checked_level(level)
    left, right = (
        np.atleast_2d(real_numbers("dissipation", dissipation)),
        np.atleast_2d(real_numbers("fluctuation", fluctuation)),
    )
    if left.shape != right.shape or left.ndim != 2:
        message = (
            f"dissipation {left.shape} and fluctuation {right.shape} must have one shape (trajectory, time)"
        )
        raise ConfigError(message)
    epoch = 1 if steps_per_epoch is None else steps_per_epoch
    check_whole_number("steps_per_epoch", epoch, 1, error=ConfigError)
    if window not in ("half", "all"):
        message = f"window is {window!r}; use 'half' or 'all'"
        raise ConfigError(message)
    if not np.isfinite(left).all() or not np.isfinite(right).all():
        message = (
            "dissipation or fluctuation is NaN or infinite; leave such trajectories out, or cut the record"
        )
        raise ConfigError(message)
    epochs = left.shape[1] // epoch
    kept = epochs - epochs // 2 if window == "half" else epochs
    pieces = 1 if len(left) >= _ENOUGH else min(_MOST, kept)
    if len(left) * pieces < 2:
        message = (
            f"{len(left)} trajectories of {left.shape[1]} steps, {epochs} epochs of {epoch}, make no 2 "
            "pieces; record more epochs"
        )
        raise ConfigError(message)
    each = kept // pieces * epoch
    shape = (len(left) * pieces, each)
    numerators, denominators = (part[:, -pieces * each :].reshape(shape).mean(1) for part in (left, right))
    if denominators.sum() == 0:
        message = "the fluctuation is 0 over the whole window: nothing moves, so the ratio is not defined"
        raise ConfigError(message)
    value = float(numerators.sum() / denominators.sum())
    residuals = numerators - value * denominators
    error = float(residuals.std(ddof=1)) / (math.sqrt(len(residuals)) * abs(float(denominators.mean())))
    half = float(special.stdtrit(len(residuals) - 1, (1 + level) / 2)) * error
    return Estimate(value, (value - half, value + half), level=level, pieces=len(residuals))
