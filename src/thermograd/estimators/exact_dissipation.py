"""Dissipation, fluctuation and their ratio over a window, from the two ends of its blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate

Array = npt.NDArray[np.float64]
_MOST = 16


class DissipationEstimates(NamedTuple):
    """Means per step over a window, and their ratio."""

    dissipation: Estimate
    fluctuation: Estimate
    ratio: Estimate
    steps: tuple[int, int]


def exact_dissipation(
    steps: npt.ArrayLike,
    potential: npt.ArrayLike,
    fluctuation: npt.ArrayLike,
    measured: npt.ArrayLike,
    *,
    groups: int | None = None,
    level: float = 0.90,
    unit: str = "",
) -> DissipationEstimates:
    """⟨O_L⟩, ⟨O_R⟩ and ⟨O_L⟩/⟨O_R⟩ per step; only the fluctuation is sampled.

    Σ O_L − Σ O_R is exactly minus the gain of a function of position and velocity (the potential), so the
    dissipation is the fluctuation less that gain per step. Intervals are by Student's t over at most 16 groups
    of blocks; that of the ratio by the delta method.

    Args:
        steps: optimiser steps at the ends of the blocks, (n + 1,).
        potential: at the ends; for SGD ((1 − μ) |θ − c|²/(2η) + μ (θ − c)·v)/(1 − ν), (n + 1,).
        fluctuation: sum of O_R over the measured steps up to each end, (n + 1,).
        measured: number of measured steps up to each end, (n + 1,).
        groups: of equal size, into which the last blocks fall; at most 16 if it is not given.
        level: two-sided, of the intervals.
        unit: of dissipation and fluctuation.

    Returns:
        Three estimates and the window; without any noise the ratio is NaN.

    Raises:
        ConfigError: a ValueError: fewer than 2 blocks, or nothing was measured in them, or nothing moved.

    >>> found = exact_dissipation([0, 1, 2], [0.0, 0.0, 0.0], [0.0, 2.0, 4.0], [0, 1, 2])
    >>> found.dissipation.value, found.ratio.value
    (2.0, 1.0)
    """
    checked_level(level)
    ends, height = real_numbers("steps", steps), real_numbers("potential", potential)
    total, count = real_numbers("fluctuation", fluctuation), real_numbers("measured", measured)
    blocks = len(ends) - 1
    if blocks < 2:
        message = f"a window of {max(blocks, 0)} blocks; 2 blocks are needed"
        raise ConfigError(message)
    pieces = min(_MOST, blocks) if groups is None or groups < 2 else groups
    kept = slice(blocks - pieces * (blocks // pieces), None, blocks // pieces)
    ends, height, total, count = ends[kept], height[kept], total[kept], count[kept]
    if not total[-1] > total[0]:
        message = (
            f"nothing moved in the {count[-1] - count[0]:g} measured steps of steps {ends[0]:g}-{ends[-1]:g}; "
            "measure more of them, or take a longer window"
        )
        raise ConfigError(message)
    length = np.diff(ends)
    noise = np.diff(total) / np.maximum(np.diff(count), 1)
    noise = np.where(np.diff(count) > 0, noise, (total[-1] - total[0]) / (count[-1] - count[0]))
    drag = noise - np.diff(height) / length
    quantile = float(special.stdtrit(pieces - 1, (1 + level) / 2))
    mean = float(noise.mean()) or math.nan  # without noise the ratio is 0/0
    ratio = float(drag.mean()) / mean
    residuals = drag - ratio * noise
    half = quantile * float(residuals.std(ddof=1)) / (math.sqrt(pieces) * mean)
    return DissipationEstimates(
        _mean(drag, quantile, level, unit),
        _mean(noise, quantile, level, unit),
        Estimate(ratio, (ratio - half, ratio + half), level=level, pieces=pieces),
        (int(ends[0]), int(ends[-1])),
    )


def _mean(values: Array, quantile: float, level: float, unit: str) -> Estimate:
    mean = float(values.mean())
    half = quantile * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, (mean - half, mean + half), level=level, pieces=len(values), unit=unit)
