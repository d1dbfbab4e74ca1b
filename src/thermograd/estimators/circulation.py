"""The area that trajectories sweep out: circulation in the stationary state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.centred_products import ProductSums, centred_products, product_sums
from thermograd.estimators.trajectory_pieces import (
    MeanOfPieces,
    checked_centre,
    checked_level,
    checked_trajectories,
    joined,
    rounding_note,
)
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

UNIT = "area per update"


def circulation(
    trajectories: npt.ArrayLike,
    *,
    conditional_displacement: npt.ArrayLike | None = None,
    centre: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """C = ½ ⟨δ Δθᵀ − Δθ δᵀ⟩, the mean area swept per update in every plane (Adhikari et al., arXiv 2306.03521, 26, 28).

    Zero in equilibrium, antisymmetric always: C_ij > 0 turns from i to j. Without `conditional_displacement` Δθ is the
    recorded θ_{t+1} − θ_t. With it, E[Δθ | θ] takes its place (Rao-Blackwell): as unbiased, and without the noise of
    the steps. For independent snapshots its error is far smaller; within a contiguous record both errors are
    alike, as it stays correlated over a relaxation time, so thin such a record to about one state per relaxation time.

    Args:
        trajectories: θ, `(trajectory, time, N)` or `(time, N)`; consecutive updates, or any states with
            `conditional_displacement`.
        conditional_displacement: E[Δθ | θ] at every recorded state, of the shape of `trajectories`: −learning rate ×
            full gradient for SGD. One time per trajectory is then enough.
        centre: `(N,)`; None: the mean of all.
        level: two-sided, of the interval of every element.

    Returns:
        `(N, N)`; `note` says which form was used.

    Raises:
        ConfigError: a ValueError: nothing to measure, NaN, a trajectory that never moves, shapes that differ, or a level
            outside (0, 1).

    >>> turning = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]] * 8)
    >>> circulation(turning, centre=[0.0, 0.0]).value.tolist()
    [[0.0, 0.5], [-0.5, 0.0]]
    """
    checked_level(level)
    points = checked_trajectories(trajectories, times=2 if conditional_displacement is None else 1)
    away = points - checked_centre(centre, points)
    if conditional_displacement is None:
        form, left, right = "recorded displacements", away[:, :-1], np.diff(away, axis=1)
    else:
        form, left, right = "conditional displacements", away, _checked(conditional_displacement, points)
    sums = product_sums(left, right)
    areas = ProductSums(sums.count, sums.left, sums.right, swept(sums.product))
    found = centred_products(areas, "common" if centre is None else "given", swept)
    return circulation_estimate(found, level, f"from {form}", rounding_note(trajectories, points))


def circulation_estimate(found: MeanOfPieces, level: float, *notes: str) -> Estimate:
    """A measured circulation matrix with its interval.

    Args:
        found: the matrix and its errors.
        level: two-sided.
        *notes: go in front of that on the pieces.
    """
    return Estimate(
        found.value,
        found.interval(level),
        level=level,
        pieces=found.pieces,
        unit=UNIT,
        note=joined([*notes, found.note]),
    )


def swept(product: Array) -> Array:
    """½ (x yᵀ − y xᵀ) from x yᵀ, in the last two axes."""
    area: Array = (product - product.swapaxes(-1, -2)) / 2
    return area


def _checked(conditional_displacement: npt.ArrayLike, points: Array) -> Array:
    drift = real_numbers("conditional_displacement", conditional_displacement)
    drift = drift[None] if drift.ndim == 2 else drift
    if drift.shape != points.shape or not np.isfinite(drift).all():
        message = (
            f"conditional_displacement has shape {drift.shape}; it must be {points.shape} as the trajectories, all finite: "
            "the mean displacement at every recorded state"
        )
        raise ConfigError(message)
    return drift
