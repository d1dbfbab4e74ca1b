"""The slope of a line through a record whose noise may be correlated from entry to entry."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from thermograd.estimators.trajectory_pieces import checked_level

Array = npt.NDArray[np.float64]
_TIMES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_SHARES = (0.25, 0.5, 0.75, 1.0)
_INDEPENDENT = 0.5
_ROUNDING = 1e-14
_FEWEST = 4


@dataclass(frozen=True)
class CorrelatedLine:
    """A slope and what is known of it.

    Attributes:
        slope: its median.
        interval: that holds it with the probability `level`.
        pieces: how many independent entries would give the same error, at most as many as there are.
    """

    slope: float
    interval: tuple[float, float]
    pieces: int


@dataclass(frozen=True, eq=False)
class _Slopes:
    """One slope for each kind of noise: Student's t about `slope` of width `error`, and how likely the noise is."""

    weight: Array
    slope: Array
    error: Array
    freedom: int

    def below(self, place: float, probability: float) -> float:
        """By how much the probability of a slope below `place` exceeds the one given."""
        each = special.stdtr(self.freedom, (place - self.slope) / self.error)
        return float(self.weight @ each) - probability

    def quantile(self, probability: float) -> float:
        """Between the smallest and the largest quantile of one kind of noise."""
        each = self.slope + special.stdtrit(self.freedom, probability) * self.error
        low, high = float(each.min()), float(each.max())
        # All kinds agree where there is no scatter; rounding may put the root outside.
        if not self.below(low, probability) < 0 < self.below(high, probability):
            return float(self.weight @ each)
        return float(optimize.brentq(self.below, low, high, args=(probability,), rtol=1e-10))

    def pieces(self) -> int:
        """The first kind is independent noise."""
        mean = float(self.weight @ self.slope)
        honest = float(self.weight @ (self.error**2 + (self.slope - mean) ** 2))
        count = self.freedom + 2
        return min(max(round(count * float(self.error[0]) ** 2 / honest), 2), count)


def correlated_line(places: npt.ArrayLike, heights: npt.ArrayLike, level: float = 0.90) -> CorrelatedLine:
    """The slope of a straight line plus noise that may remember, averaged over what the memory may be.

    The noise is Gaussian with covariance σ² [(1 − s) δ_ij + s exp(−|i − j|/τ)]: a share s of it relaxes in τ
    entries. Independent noise (s = 0) counts as much beforehand as all others together, which are s = 1/4 to 1 and
    τ = 1, 2, 4, … 64. Line and σ are integrated out: given (s, τ) the slope has Student's t about generalised least
    squares, and (s, τ) the likelihood

        |V|^−1/2 |Xᵀ V⁻¹ X|^−1/2 (residual sum of squares in V⁻¹)^−(n − 2)/2

    of Harville (Biometrika 61, 383, 1974). A correlation computed from the residuals of a fitted line would come
    out too small (Marriott & Pope, Biometrika 41, 390, 1954), and be taken as known; here it has neither fault. What a
    short record cannot tell, whether it sees a memory or a slope, widens the interval. Over these kinds of noise together
    the level is exact; of independent noise the interval holds the slope somewhat more often, of a memory that is
    about as long as the record clearly less often (`docs/coverage.md`).

    Args:
        places: along the line, (n,).
        heights: equally spaced in time, (n,).
        level: two-sided.

    Returns:
        Slope, interval and pieces.

    Raises:
        ValueError: lengths that differ, fewer than 4 entries, or places that are all the same.

    >>> found = correlated_line(np.arange(16), 3 + 0.5 * np.arange(16) + 0.1 * (-1.0) ** np.arange(16))
    >>> bool(found.interval[0] < 0.5 < found.interval[1]), found.pieces
    (True, 12)
    """
    checked_level(level)
    along, record = np.asarray(places, float), np.asarray(heights, float)
    if along.shape != record.shape or along.ndim != 1 or len(along) < _FEWEST or np.ptp(along) == 0:
        message = (
            f"places {along.shape} and heights {record.shape} must be two sequences of equal length, at least "
            f"{_FEWEST}, and the places not all the same"
        )
        raise ValueError(message)
    found = _slopes(along - along.mean(), record - record.mean(), _ROUNDING * float(np.abs(record).max()))
    tail = (1 - level) / 2
    if not (found.error > 0).all():
        exact = float(found.slope[0])
        return CorrelatedLine(exact, (exact, exact), len(along))
    interval = (found.quantile(tail), found.quantile(1 - tail))
    return CorrelatedLine(found.quantile(0.5), interval, found.pieces())


def _slopes(along: Array, record: Array, rounding: float) -> _Slopes:
    """`rounding` is the scatter below which a record is a line."""
    inverses, logarithms, before = _kinds_of_noise(len(along))
    design = np.stack([np.ones_like(along), along], 1)
    normal = design.T @ inverses @ design
    fitted = np.linalg.solve(normal, (design.T @ inverses @ record)[..., None])[..., 0].astype(float)
    residuals = record - fitted @ design.T
    squares = np.einsum("ki,ki->k", residuals, (inverses @ residuals[..., None])[..., 0])
    freedom = len(along) - 2
    squares[squares <= len(along) * rounding**2] = 0.0
    likelihood = (
        np.log(before)
        - logarithms / 2
        - np.linalg.slogdet(normal).logabsdet / 2
        - freedom / 2 * np.log(np.maximum(squares, np.finfo(float).tiny))
    )
    weight = np.exp(likelihood - likelihood.max())
    error: Array = np.sqrt(squares / freedom * np.linalg.inv(normal)[:, 1, 1])
    return _Slopes(weight / weight.sum(), fitted[:, 1], error, freedom)


@functools.lru_cache(maxsize=64)
def _kinds_of_noise(count: int) -> tuple[Array, Array, Array]:
    """Of every kind V⁻¹, ln |V| and the probability beforehand; the first is independent."""
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    one = np.eye(count)
    slow = [(1 - share) * one + share * np.exp(-apart / time) for share in _SHARES for time in _TIMES]
    covariances = np.stack([one, *slow])
    before = np.full(len(covariances), (1 - _INDEPENDENT) / len(slow))
    before[0] = _INDEPENDENT
    return np.linalg.inv(covariances), np.linalg.slogdet(covariances).logabsdet, before
