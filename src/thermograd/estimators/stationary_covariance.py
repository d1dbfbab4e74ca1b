"""How far trajectories stray from their centre."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.centred_products import centred_products, product_sums
from thermograd.estimators.trajectory_pieces import (
    MeanOfPieces,
    checked_centre,
    checked_level,
    checked_trajectories,
    joined,
    rounding_note,
)
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]


def covariance(
    trajectories: npt.ArrayLike, *, centre: npt.ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Σ = ⟨δ δᵀ⟩ over trajectories and times, δ = θ − centre.

    About the measured mean the estimate is corrected for the scatter of that mean, see `centred_products`. 20
    trajectories or more are the pieces of the interval; of fewer, blocks longer than the correlations are. Squares are
    skewed, which the interval allows for; that of a variance stays above 0.

    Args:
        trajectories: θ, `(trajectory, time, N)` or `(time, N)` for a single one.
        centre: `(N,)`; None: the mean of all.
        level: two-sided, of the interval of every element.

    Returns:
        `(N, N)` in units of θ².

    Raises:
        ConfigError: a ValueError: nothing to measure, NaN, a trajectory that never moves, or a level outside (0, 1).

    >>> states = np.random.default_rng(0).normal(size=(400, 1, 2)) * [1.0, 3.0]
    >>> found = covariance(states)
    >>> found.value.round(1).tolist(), found.pieces
    ([[1.0, 0.0], [0.0, 8.9]], 400)
    """
    checked_level(level)
    points = checked_trajectories(trajectories)
    away = points - checked_centre(centre, points)
    found = centred_products(product_sums(away, away), "common" if centre is None else "given", _itself)
    return covariance_estimate(found, level, rounding_note(trajectories, points))


def covariance_estimate(found: MeanOfPieces, level: float, note: str = "") -> Estimate:
    """A measured covariance matrix with its interval, on the diagonal above 0.

    Args:
        found: the matrix and its errors.
        level: two-sided.
        note: goes in front of that on the pieces.
    """
    low, high = found.interval(level)
    variances, half = np.diagonal(found.value), np.diagonal(found.half_width(level))
    places = np.flatnonzero((variances > 0) & (np.diagonal(low) <= 0))
    low[places, places] = (variances * np.exp(-half / np.where(variances > 0, variances, 1.0)))[places]
    return Estimate(
        found.value, (low, high), level=level, pieces=found.pieces, note=joined([note, found.note])
    )


def _itself(matrix: Array) -> Array:
    return matrix
