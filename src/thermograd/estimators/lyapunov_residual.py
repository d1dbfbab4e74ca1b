"""Whether trajectories have come to rest: measured variances against those that noise and curvature sustain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_covariance import covariance
from thermograd.estimators.trajectory_pieces import (
    ENOUGH_PIECES,
    checked_level,
    checked_matrix,
    checked_trajectories,
    rounding_note,
    student,
)
from thermograd.numerics.finite_number import is_finite_number
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]


def lyapunov_residual(
    trajectories: npt.ArrayLike,
    hessian: npt.ArrayLike,
    diffusion: npt.ArrayLike,
    learning_rate: float,
    *,
    tolerance: float = 0.2,
    level: float = 0.95,
) -> Verdict:
    """Are the trajectories stationary? In every Hessian mode the variance must be what the noise sustains.

    Of plain SGD at rest, in the eigenbasis of H, Σ_kk = D_kk / (ηh_k − η²h_k²/2). The ratio of both sides is 1, in flat
    directions last: they take longest. Unlike the fluctuation theorems it notices starts that are too far or
    too near. Variances are about the measured mean, which an uneven loss shifts from the minimum.

    Args:
        trajectories: θ after every update, `(trajectory, time, N)` or `(time, N)`.
        hessian: H of the loss at the minimum, `(N, N)`.
        diffusion: D, half the covariance of one update, `(N, N)`.
        learning_rate: η.
        tolerance: how far the ratio may be from 1, as a factor: within [1 − tolerance, 1/(1 − tolerance)].
        level: two-sided, of every ratio, and of all modes together for a no.

    Returns:
        True, "stationary": all intervals lie within the tolerance. False, "not_stationary": some interval, at a level
        for all modes together (Bonferroni), leaves out 1. None: "undecided", "few_pieces" below 8, or
        "rounding_dominates". `evidence` holds `curvatures`, increasing, and `ratios`, one `Estimate` each, of the
        modes with curvature and noise.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, an argument out of its range, or no mode with 0 < ηh < 2 and
            noise.

    >>> generator = np.random.default_rng(0)
    >>> states = generator.normal(size=(4000, 1, 1)) * np.sqrt(0.5 / (0.1 - 0.005))  # η = 0.1, h = 1, D = 0.5
    >>> lyapunov_residual(states, [[1.0]], [[0.5]], 0.1).kind
    'stationary'
    """
    checked_level(level)
    for name, value, most in (("learning_rate", learning_rate, np.inf), ("tolerance", tolerance, 1.0)):
        if not is_finite_number(value) or not 0 < value < most:
            message = f"{name} is {value!r}; it must be above 0 and below {most:g}"
            raise ConfigError(message)
    points = checked_trajectories(trajectories)
    bend = checked_matrix("hessian", hessian, points)
    noise = checked_matrix("diffusion", diffusion, points)
    curvatures, basis = np.linalg.eigh((bend + bend.T) / 2)
    noises = np.einsum("ik,ij,jk->k", basis, noise, basis, optimize=True)
    pull = learning_rate * curvatures
    used = (pull > 0) & (pull < 2) & (noises > 1e-15 * np.abs(noises).max(initial=0.0))
    if not used.any():
        message = (
            f"no mode has 0 < learning_rate h < 2 and noise: curvatures {curvatures.min():.4g} to {curvatures.max():.4g}, "
            f"noise {noises.min():.4g} to {noises.max():.4g}"
        )
        raise ConfigError(message)
    sustained = noises[used] / (pull[used] - pull[used] ** 2 / 2)
    measured = covariance(points @ basis[:, used], level=level)
    ratios = tuple(
        Estimate(
            float(measured.value[place, place] / expected),
            (float(measured.low[place, place] / expected), float(measured.high[place, place] / expected)),
            level=level,
            pieces=measured.pieces,
            note=measured.note,
        )
        for place, expected in enumerate(sustained)
    )
    coarse = rounding_note(trajectories, points)
    verdict = _verdict(ratios, curvatures[used], tolerance, coarse)
    return replace(verdict, evidence={"curvatures": curvatures[used], "ratios": ratios})


def _verdict(ratios: tuple[Estimate, ...], curvatures: Array, tolerance: float, coarse: str) -> Verdict:
    """What the ratios say; two-sided Student tests of their logarithms."""
    value, low, high = (
        np.array([getattr(ratio, name) for ratio in ratios]) for name in ("value", "low", "high")
    )
    level, pieces = ratios[0].level, ratios[0].pieces
    if coarse:
        return Verdict(None, "rounding_dominates", f"Cannot tell whether it is stationary: {coarse}.")
    if pieces < ENOUGH_PIECES:
        text = f"{pieces:g} independent pieces are too few to tell whether it is stationary; 8 are needed."
        return Verdict(None, "few_pieces", text)
    if low.min() >= 1 - tolerance and high.max() <= 1 / (1 - tolerance):
        text = (
            f"Stationary: in all {len(ratios)} modes the variance is what the noise sustains, within "
            f"{100 * tolerance:g} % (ratios {value.min():.3g} to {value.max():.3g})."
        )
        return Verdict(True, "stationary", text)
    with np.errstate(divide="ignore"):  # no variance at all: ratio 0
        away = np.abs(np.log(value))
        error = np.log(np.where(value > 1, value / low, high / value)) / student(level, pieces)
    score = np.divide(away, error, out=np.full_like(away, np.inf), where=error > 0)
    bound = student(1 - (1 - level) / len(ratios), pieces)
    failed = np.flatnonzero(score > bound)
    if failed.size:
        worst = int(failed[score[failed].argmax()])
        text = (
            f"Not stationary: {failed.size} of {len(ratios)} modes have another variance than the noise sustains; at "
            f"curvature {curvatures[worst]:.4g} it is {value[worst]:.3g} times that ({low[worst]:.3g} to {high[worst]:.3g})."
        )
        return Verdict(False, "not_stationary", text)
    text = (
        f"Cannot tell whether it is stationary: no ratio differs from 1, but the intervals reach from {low.min():.3g} to "
        f"{high.max():.3g}; more trajectories or a longer record would decide."
    )
    return Verdict(None, "undecided", text)
