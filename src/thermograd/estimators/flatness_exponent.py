"""How the spread of trajectories along the directions of a minimum depends on their curvature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level, student
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate


def flatness_exponent(
    curvatures: npt.ArrayLike, variances: npt.ArrayLike, *, level: float = 0.95
) -> Estimate:
    """The exponent p of variance ∝ curvature^p over the directions of a minimum.

    The slope of ln variance on ln curvature by least squares. −1 for a Boltzmann state, 0 for noise in proportion to the
    curvature; above 0 SGD is farther from its minimum in steep directions than in flat ones, the "inverse
    variance-flatness relation" of Feng & Tu (PNAS 118, e2015617118, 2021).

    Args:
        curvatures: h, `(direction,)`; those with h ≤ 0 or without variance are left out.
        variances: of the weights along the same directions, `(direction,)`.
        level: two-sided; the interval is that of the scatter of the directions about the line, infinite for two.

    Returns:
        A pure number; `pieces` is the number of directions.

    Raises:
        ConfigError: a ValueError: lists of different length, or no two different curvatures above 0.

    >>> flatness_exponent([1.0, 4.0, 16.0], [3.0, 6.0, 12.0]).value
    0.5
    """
    checked_level(level)
    height, variance = real_numbers("curvatures", curvatures), real_numbers("variances", variances)
    if height.ndim != 1 or height.shape != variance.shape:
        message = f"curvatures {height.shape} and variances {variance.shape} must be lists of equal length"
        raise ConfigError(message)
    used = (height > 0) & (variance > 0) & np.isfinite(height) & np.isfinite(variance)
    x, y = np.log(height[used]), np.log(variance[used])
    x -= x.mean() if x.size else 0.0
    power = float(x @ x)
    if x.size < 2 or power < 1e-20 * x.size:
        message = (
            f"{x.size} of {height.size} directions have positive curvature and variance; an exponent needs two of "
            "different curvature"
        )
        raise ConfigError(message)
    slope = float(x @ y) / power
    half = np.inf
    if x.size > 2:
        scatter = y - y.mean() - slope * x
        half = student(level, x.size - 1) * float(np.sqrt(scatter @ scatter / (x.size - 2) / power))
    left_out = int((~used).sum())
    return Estimate(
        slope,
        (slope - half, slope + half),
        level=level,
        pieces=x.size,
        note=f"{left_out} directions without positive curvature or variance left out" if left_out else "",
    )
