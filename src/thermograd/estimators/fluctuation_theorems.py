"""Entropy along trajectories and the fluctuation theorems it obeys.

σ = Σ_k (W δ)_k Δθ_k over the updates of a window, with the state before each update (Adhikari et al., arXiv 2306.03521,
27). ⟨exp(−σ)⟩ = 1 and ln P(−σ)/P(σ) = −σ hold for Gaussian noise from *any* start, so they do not show that a state is
stationary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import (
    checked_centre,
    checked_level,
    checked_matrix,
    checked_trajectories,
    joined,
    mean_of_pieces,
)
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_SHARE = 0.01
_TIMES_THE_MEAN = 10
_LARGEST_EXPONENT = 700.0


def trajectory_entropy(
    trajectories: npt.ArrayLike,
    entropy_force: npt.ArrayLike,
    *,
    length: int = 1,
    centre: npt.ArrayLike | None = None,
) -> Array:
    """σ of disjoint windows of consecutive updates; updates that fill no window are dropped at the end.

    Args:
        trajectories: θ after every update, `(trajectory, time, N)` or `(time, N)`.
        entropy_force: W, `(N, N)`, as in the `entropy_force` of a predicted state.
        length: updates of a window.
        centre: `(N,)` from which δ is counted; None: the mean of all.

    Returns:
        `(trajectory, window)`, a pure number.

    Raises:
        ConfigError: a ValueError: fewer updates than one window, shapes that do not fit, NaN, or a trajectory that
            never moves.

    >>> turning = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    >>> trajectory_entropy(turning, [[0.0, -2.0], [2.0, 0.0]], centre=[0.0, 0.0]).tolist()
    [[2.0, 2.0, 2.0]]
    """
    check_whole_number("length", length, 1, of="updates", error=ConfigError)
    points = checked_trajectories(trajectories, times=length + 1)
    force = checked_matrix("entropy_force", entropy_force, points)
    away = points - checked_centre(centre, points)
    steps = ((away[:, :-1] @ force.T) * np.diff(points, axis=1)).sum(axis=2)
    windows = steps.shape[1] // length
    entropy: Array = steps[:, : windows * length].reshape(len(steps), windows, length).sum(axis=2)
    return entropy


def entropy_production(sigma: npt.ArrayLike, *, length: int = 1, level: float = 0.95) -> Estimate:
    """⟨σ⟩ per update.

    Args:
        sigma: of windows, `(trajectory, window)` or `(window,)`.
        length: updates of a window.
        level: two-sided.

    Raises:
        ConfigError: a ValueError: fewer than 2 windows in all, NaN, or an argument out of its range.

    >>> entropy_production([[1.0, 3.0, 2.0, 2.0]], length=2).value
    1.0
    """
    checked_level(level)
    check_whole_number("length", length, 1, of="updates", error=ConfigError)
    found = mean_of_pieces(checked_entropy(sigma) / length)
    low, high = found.interval(level)
    return Estimate(
        float(found.value),
        (float(low), float(high)),
        level=level,
        pieces=found.pieces,
        unit="per update",
        note=found.note,
    )


def integral_fluctuation(sigma: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """⟨exp(−σ)⟩, which is 1 by the integral fluctuation theorem.

    The mean rests on rare negative σ. Where one of the exp(−σ) makes up more than 1 % of their sum, and more than 10 times
    its share, the tail is not sampled: `note` says so, and `pieces` is the effective count (Σw)²/Σw², w = exp(−σ).

    Args:
        sigma: of windows, `(trajectory, window)` or `(window,)`.
        level: two-sided.

    Raises:
        ConfigError: a ValueError: fewer than 2 windows in all, NaN, a σ below −700, or a level outside (0, 1).

    >>> print(integral_fluctuation(np.zeros((20, 5))))
    1 (1 to 1 at 95 %), from 20 pieces (holds from any start: does not test equilibration)
    """
    checked_level(level)
    entropy = checked_entropy(sigma)
    if entropy.min() < -_LARGEST_EXPONENT:
        trajectory, window = (int(place) for place in np.unravel_index(entropy.argmin(), entropy.shape))
        message = (
            f"exp(-sigma) overflows: sigma is {entropy.min():.4g} in window {window} of trajectory {trajectory}; check the "
            "sign of the entropy force and the centre"
        )
        raise ConfigError(message)
    weights = np.exp(-entropy)
    found = mean_of_pieces(weights)
    low, high = found.interval(level)
    pieces, tail = float(found.pieces), ""
    if weights.max() > max(_SHARE, _TIMES_THE_MEAN / weights.size) * weights.sum():
        pieces = float(weights.sum() ** 2 / np.square(weights).sum())
        tail = "tail not sampled: the interval means little"
    return Estimate(
        float(found.value),
        (float(low), float(high)),
        level=level,
        pieces=pieces,
        note=joined(["holds from any start: does not test equilibration", tail, found.note]),
    )


def checked_entropy(sigma: npt.ArrayLike) -> Array:
    """σ as `(trajectory, window)` in float64.

    Raises:
        ConfigError: another number of axes, fewer than 2 windows in all, or NaN (its first trajectory and window).
    """
    recorded = real_numbers("sigma", sigma)
    entropy = recorded[None] if recorded.ndim == 1 else recorded
    if entropy.ndim != 2 or entropy.size < 2:
        message = f"sigma has shape {recorded.shape}; it must be (trajectory, window) with at least 2 windows in all"
        raise ConfigError(message)
    if not np.isfinite(entropy).all():
        trajectory, window = (int(place) for place in np.argwhere(~np.isfinite(entropy))[0])
        message = f"sigma is NaN or infinite in window {window} of trajectory {trajectory}"
        raise ConfigError(message)
    return entropy
