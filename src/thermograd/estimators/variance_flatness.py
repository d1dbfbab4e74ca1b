"""How the spread of trajectories depends on the curvature of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.flatness_exponent import flatness_exponent
from thermograd.estimators.stationary_covariance import covariance
from thermograd.estimators.trajectory_pieces import (
    checked_level,
    checked_matrix,
    checked_trajectories,
    joined,
    mean_of_pieces,
    rounding_note,
)
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_DIRECTIONS = ("principal", "hessian")


def variance_flatness(
    trajectories: npt.ArrayLike, hessian: npt.ArrayLike, *, directions: str = "principal", level: float = 0.95
) -> Estimate:
    """The exponent p of variance ∝ curvature^p, with the error that measured variances give it.

    The fit is that of `flatness_exponent`. Its interval follows the scatter of the pieces, not that of the directions
    about the line, to first order in the error of the covariance (for principal directions with the perturbation of
    eigenvectors). `note` warns of neighbouring principal variances that cannot be told apart, where it is too narrow.

    Args:
        trajectories: θ, `(trajectory, time, N)` or `(time, N)`.
        hessian: H of the loss, `(N, N)`.
        directions: "principal", eigenvectors v of the measured covariance with curvatures vᵀHv (Feng & Tu);
            "hessian", eigenvectors of H with the variances along them.
        level: two-sided.

    Returns:
        A pure number.

    Raises:
        ConfigError: a ValueError: an unknown word, a shape that does not fit, or fewer than two directions of positive
            curvature.

    >>> states = np.random.default_rng(0).normal(size=(4000, 1, 2)) / [1.0, 2.0]
    >>> print(variance_flatness(states, np.diag([1.0, 4.0]), directions="hessian"))
    -1.02 (-1.064 to -0.9757 at 95 %), from 4000 pieces
    """
    checked_level(level)
    if directions not in _DIRECTIONS:
        message = f"directions must be 'principal' or 'hessian', got {directions!r}"
        raise ConfigError(message)
    points = checked_trajectories(trajectories)
    bend = checked_matrix("hessian", hessian, points)
    bend = (bend + bend.T) / 2
    measured = covariance(points).value
    _, basis = np.linalg.eigh(measured if directions == "principal" else bend)
    heights, spread = basis.T @ bend @ basis, basis.T @ measured @ basis
    curvatures, variances = np.diagonal(heights), np.diagonal(spread)
    used = (curvatures > 0) & (variances > 1e-12 * variances.max())
    fit = flatness_exponent(curvatures, np.where(used, variances, 0.0), level=level)
    heights, curvatures, variances = heights[np.ix_(used, used)], curvatures[used], variances[used]
    along = (points - points.mean(axis=(0, 1))) @ basis[:, used]
    response = _response(heights, variances, fit.value, turning=directions == "principal")
    scatter = mean_of_pieces(((along @ response) * along).sum(axis=2))
    low, high = (fit.value + float(end - scatter.value) for end in scatter.interval(level))
    mixed = _mixed(along, level) if directions == "principal" else ""
    return Estimate(
        fit.value,
        (low, high),
        level=level,
        pieces=scatter.pieces,
        note=joined([fit.note, rounding_note(trajectories, points), mixed, scatter.note]),
    )


def _mixed(along: Array, level: float) -> str:
    """A warning if neighbouring principal variances are too close: their directions are then any mixture of the true ones."""
    gaps = mean_of_pieces(np.diff(np.square(along), axis=2))
    close = int((gaps.value < 2 * gaps.half_width(level)).sum())
    if not close:
        return ""
    return (
        f"{close} neighbouring principal variances are within their errors, so those directions are not resolved and the "
        "interval is too narrow: take directions='hessian'"
    )


def _response(heights: Array, variances: Array, slope: float, *, turning: bool) -> Array:
    """Derivative of the slope to the covariance in the directions, `(K, K)`."""
    curvatures = np.diagonal(heights)
    x, y = np.log(curvatures), np.log(variances)
    x, y = x - x.mean(), y - y.mean()
    power = x @ x
    response = np.diag(x / power / variances)
    if turning:
        to_curvature = (y - 2 * slope * x) / power / curvatures
        gaps = variances[None, :] - variances[:, None]  # entry (j, k): how far variance k is above j
        np.fill_diagonal(gaps, np.inf)
        turned = 2 * heights * to_curvature / gaps
        response = response + (turned + turned.T) / 2
    return response
