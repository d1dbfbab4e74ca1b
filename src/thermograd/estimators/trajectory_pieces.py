"""Recorded trajectories, checked, and the independent pieces that an interval rests on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.numerics.block_average import block_average
from thermograd.numerics.confidence_level import checked_level as checked_level
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.skewed_mean import interval_of_a_mean, skewness_of

Array = npt.NDArray[Any]

ENOUGH_TRAJECTORIES = 20
ENOUGH_PIECES = 8
ROUNDING = "rounding dominates"
_RESOLVED = 1e3


class MeanOfPieces(NamedTuple):
    """A mean over independent pieces: trajectories, or blocks of them.

    Attributes:
        value: the mean.
        error: its standard error.
        skewness: of the pieces.
        pieces: how many there are.
        note: what a reader should know, or "".
    """

    value: Array
    error: Array
    skewness: Array
    pieces: int
    note: str

    def interval(self, level: float) -> tuple[Array, Array]:
        """Student's interval at that level, corrected for the skewness of the pieces."""
        return interval_of_a_mean(self.value, self.error, self.skewness, self.pieces, level)

    def half_width(self, level: float) -> Array:
        """Half the width of Student's own interval."""
        return student(level, self.pieces) * self.error


def mean_of_pieces(series: Array) -> MeanOfPieces:
    """Mean of a record: 20 trajectories or more are the pieces, else blocks that outlast the correlations.

    Args:
        series: `(trajectory, time, ...)`, at least 2 entries.

    >>> mean_of_pieces(np.arange(40.0).reshape(20, 2)).pieces
    20
    """
    if len(series) >= ENOUGH_TRAJECTORIES:
        return mean_over_trajectories(series.mean(axis=1))
    return mean_over_blocks(series)


def mean_over_trajectories(each: Array) -> MeanOfPieces:
    """Mean of one number, or array, per trajectory on axis 0.

    >>> found = mean_over_trajectories(np.array([1.0, 2.0, 3.0]))
    >>> float(found.value), round(float(found.error), 6), found.pieces  # 1/√3
    (2.0, 0.57735, 3)
    """
    error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return MeanOfPieces(each.mean(axis=0), error, skewness_of(each), len(each), "")


def mean_over_blocks(series: Array) -> MeanOfPieces:
    """Mean of a record `(trajectory, time, ...)` by block averaging."""
    found = block_average(series)
    note = note_on_pieces(found.pieces, found.flat)
    return MeanOfPieces(found.mean, found.standard_error, found.skewness, found.pieces, note)


def note_on_pieces(pieces: int, flat: bool = True) -> str:
    """What to say of few pieces, or of a standard error that still grows with the length of the blocks."""
    few = f"{pieces} pieces only" if pieces < ENOUGH_PIECES else ""
    slow = "" if flat else "correlations outlast the blocks, so the interval is too narrow: record longer"
    return joined([few, slow])


def joined(notes: Iterable[str]) -> str:
    """Several notes as one, the empty ones left out.

    >>> joined(["few pieces", "", "slow"])
    'few pieces; slow'
    """
    return "; ".join(note for note in notes if note)


def student(level: float, pieces: float) -> float:
    """Two-sided quantile of Student's t for a mean over so many pieces.

    >>> round(float(student(0.95, 2)), 4)  # one degree of freedom: tan(0.475 π)
    12.7062
    """
    return float(special.stdtrit(pieces - 1, (1 + level) / 2))


def checked_trajectories(recorded: npt.ArrayLike, *, times: int = 1) -> Array:
    """The record as `(trajectory, time, parameter)` in float64; a 2-D array is one trajectory.

    Args:
        recorded: trajectories as recorded.
        times: the fewest times it must have.

    Raises:
        ConfigError: another number of axes, nothing recorded, too few times, NaN or infinity (its first trajectory and
            time), or a trajectory that never moves.

    >>> checked_trajectories([[0.0, 1.0], [2.0, 3.0]]).shape
    (1, 2, 2)
    """
    given = real_numbers("trajectories", recorded)
    points = given[None] if given.ndim == 2 else given
    if points.ndim != 3 or 0 in points.shape:
        message = (
            f"trajectories have shape {given.shape}; they must be (trajectory, time, parameter), none of them 0, "
            "or (time, parameter) for a single one"
        )
        raise ConfigError(message)
    if points.shape[1] < times:
        message = (
            f"trajectories have {points.shape[1]} time each; at least {times} are needed: record more of them"
        )
        raise ConfigError(message)
    if points.shape[0] * points.shape[1] == 1:
        message = "trajectories hold one state only; at least 2 are needed, in time or over trajectories"
        raise ConfigError(message)
    _check_finite(points)
    still = (points == points[:, :1]).all(axis=(1, 2)) if points.shape[1] > 1 else np.zeros(1, bool)
    if still.any() or (points == points[0, 0]).all():
        message = (
            f"trajectory {int(still.argmax())} is constant over all {points.shape[1]} times, so it fluctuates about "
            "nothing; leave it out, or check that its weights were recorded while training"
        )
        raise ConfigError(message)
    return points


def checked_centre(centre: npt.ArrayLike | None, points: Array) -> Array:
    """The centre, `(N,)`: the given one, else the mean over trajectories and times.

    Raises:
        ConfigError: its shape is not that of one point, or it is not finite.
    """
    if centre is None:
        mean: Array = points.mean(axis=(0, 1))
        return mean
    given = real_numbers("centre", centre)
    if given.shape != points.shape[2:] or not np.isfinite(given).all():
        message = (
            f"centre has shape {given.shape}; it must be {points.shape[2:]} finite numbers, one per parameter"
        )
        raise ConfigError(message)
    return given


def checked_matrix(name: str, matrix: npt.ArrayLike, points: Array) -> Array:
    """A matrix that acts on points, `(N, N)`.

    Raises:
        ConfigError: its shape does not fit, or it is not finite.
    """
    given = real_numbers(name, matrix)
    count = points.shape[2]
    if given.shape != (count, count) or not np.isfinite(given).all():
        message = f"{name} has shape {given.shape}; trajectories of {count} parameters need ({count}, {count}), finite"
        raise ConfigError(message)
    return given


def rounding_note(trajectories: npt.ArrayLike, points: Array) -> str:
    """A warning if the numbers were recorded too coarsely: a spread below 1e3 units of rounding of the weights.

    Args:
        trajectories: as recorded, whose type tells the rounding: 2⁻²⁴ |θ| for float32.
        points: the same in float64.

    Returns:
        "" for float64, and where the spread of every parameter that moves is above.

    >>> weights = 1 + 1e-6 * np.random.default_rng(0).normal(size=(1, 100, 1))
    >>> rounding_note(weights.astype("float32"), weights)[:18], rounding_note(weights, weights)
    ('rounding dominates', '')
    """
    kind = np.asarray(trajectories).dtype
    if kind.kind != "f" or kind.itemsize >= 8:
        return ""
    spread = points.std(axis=(0, 1))
    size = np.sqrt(np.square(points).mean(axis=(0, 1)))
    coarse = (spread > 0) & (spread < _RESOLVED * np.finfo(kind).eps / 2 * size)
    if not coarse.any():
        return ""
    return (
        f"{ROUNDING} in {int(coarse.sum())} of {coarse.size} parameters: their spread is below 1e3 units of rounding "
        f"of {kind.name}; train in float64"
    )


def _check_finite(points: Array) -> None:
    bad = ~np.isfinite(points)
    if bad.any():
        trajectory, time, parameter = (int(place) for place in np.argwhere(bad)[0])
        message = (
            f"trajectory {trajectory} is NaN or infinite at time {time} (parameter {parameter}); leave it out or cut the "
            "record before it diverged"
        )
        raise ConfigError(message)
