"""How far apart runs from one start end up: a measure of noise that needs no stationary state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate

__all__ = ["estimate"]

Array = npt.NDArray[Any]


def estimate(record: npt.ArrayLike, parameters: int, *, level: float = 0.95) -> Estimate:
    """⟨|w¹ − w²|²⟩/N over pairs of replicas, runs with the same start and data and other noise.

    In mean field it is 2[C(t,t) − Q(t,t)], C the correlation of one replica and Q that of two (the question is that of
    Mignacco, Urbani, arXiv 2112.10852). Where gradient noise vanishes, as in interpolation, nothing is stationary and
    no temperature is defined, but the distance that the noise has left is. All pairs are averaged, which is twice the
    variance over replicas with divisor k − 1; the interval is Student's, with the jackknife error over the k replicas
    (pairs share replicas) and k − 1 degrees of freedom, and not below 0. Of two replicas it is (0, ∞).

    Args:
        record: of `ReplicaDistance`, `(replica, time, coordinate)`: weights, or random projections of them.
        parameters: N, number of weights.
        level: two-sided.

    Returns:
        The distance per parameter at every time, `(time,)`; `pieces` are the replicas. Projections are noted: they
        add a relative error √(2/coordinates).

    Raises:
        ConfigError: a ValueError: fewer than two replicas, numbers that are not finite, or more coordinates than parameters.

    >>> replicas = np.array([[[1.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]]])  # squared distances 4, 2, 2
    >>> estimate(replicas, 2).value.round(12).tolist()
    [1.333333333333]
    """
    points = _checked(record, parameters, level)
    count = len(points)
    apart = points - points[0]  # of equal replicas 0, without the rounding of a mean
    away = np.square(apart - apart.mean(axis=0)).sum(axis=2)
    total = away.sum(axis=0)
    to_others = count * away + total
    value = to_others.sum(axis=0) / (count * (count - 1) * parameters)
    half = np.full(value.shape, np.inf)
    if count > 2:
        without = (count * value * (count - 1) * parameters - 2 * to_others) / (
            (count - 1) * (count - 2) * parameters
        )
        spread = np.square(without - without.mean(axis=0)).sum(axis=0)
        half = stdtrit(count - 1, (1 + level) / 2) * np.sqrt((count - 1) / count * spread)
    return Estimate(
        value,
        (np.maximum(value - half, 0.0), value + half),
        level=level,
        pieces=count,
        unit="per parameter",
        note=_note(points.shape[2], parameters),
    )


def _note(coordinates: int, parameters: int) -> str:
    if coordinates == parameters:
        return ""
    return f"from {coordinates} random projections, relative error {np.sqrt(2 / coordinates):.2g} beside the interval"


def _checked(record: npt.ArrayLike, parameters: int, level: float) -> Array:
    checked_level(level)
    check_whole_number("parameters", parameters, 1, error=ConfigError)
    points = real_numbers("record", record)
    if points.ndim != 3 or 0 in points.shape:
        message = f"the record has shape {points.shape}; it must be (replica, time, coordinate)"
        raise ConfigError(message)
    if len(points) < 2:
        message = "the record has 1 replica; a distance needs 2: give the experiment more trajectories"
        raise ConfigError(message)
    bad = np.argwhere(~np.isfinite(points))
    if len(bad):
        replicas = np.unique(bad[:, 0]).tolist()
        message = f"the record is not finite in replica {', '.join(map(str, replicas[:5]))} (first at time index {bad[0, 1]}); leave such replicas out"
        raise ConfigError(message)
    if points.shape[2] > parameters:
        message = f"the record has {points.shape[2]} coordinates, but parameters is {parameters}; give the number of weights of the model"
        raise ConfigError(message)
    return points
