"""How far a noisy loss that slows down will still fall, where its noise may be correlated from entry to entry."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[np.float64]
_MEMORIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_SHARES = (0.25, 0.5, 0.75, 1.0)
_POWERS = (-0.5, 0.5, 1.0, 2.0)
_RELAXATIONS = (1.0, 2.0, 4.0)
_SIMPLEST = 0.5
_ROUNDING = 1e-14
_FEWEST = 4


@dataclass(frozen=True)
class FallToCome:
    """A fall and what is known of it.

    Attributes:
        value: its median over both futures.
        interval: from the lower end if the loss goes on slowing, to the upper end if it keeps its present rate.
        pieces: how many independent entries would give the same error, at most as many as there are.
    """

    value: float
    interval: tuple[float, float]
    pieces: int


@dataclass(frozen=True)
class _Shape:
    """A fall of 1 over the record, (1 − e^−κw)/(1 − e^−κ), with w from 0 to 1 in ln t or in t.

    In ln t it is a power law, in t a relaxation; κ = 0 in ln t is the logarithm.
    """

    first: float
    last: float
    slowing: float
    logarithmic: bool

    def at(self, times: Array) -> Array:
        """The fall until then."""
        place = self._place(times)
        return place if self.slowing == 0 else np.expm1(-self.slowing * place) / math.expm1(-self.slowing)

    def rate(self, time: float) -> float:
        """Fall per unit of ln t."""
        along = 1 / math.log(self.last / self.first) if self.logarithmic else time / (self.last - self.first)
        if self.slowing == 0:
            return along
        place = float(self._place(np.array(time)))
        return -along * self.slowing * math.exp(-self.slowing * place) / math.expm1(-self.slowing)

    def _place(self, times: Array) -> Array:
        if self.logarithmic:
            return np.log(times / self.first) / math.log(self.last / self.first)
        return (times - self.first) / (self.last - self.first)


@dataclass(frozen=True, eq=False)
class _Falls:
    """Of every shape and kind of noise: its probability, and Student's t of the fall over the record.

    Arrays (shape, noise). The first kind of noise is independent.
    """

    weight: Array
    fall: Array
    error: Array
    freedom: int

    def quantile(self, probability: float, *futures: Array) -> float:
        """Of the fall to come, which is a multiple of the fall so far for each shape; all futures count alike."""
        centre = np.concatenate([(self.fall * future[:, None]).ravel() for future in futures])
        width = np.concatenate([(self.error * future[:, None]).ravel() for future in futures])
        weight = np.tile(self.weight.ravel(), len(futures)) / len(futures)

        def beyond(place: float) -> float:
            return float(weight @ special.stdtr(self.freedom, (place - centre) / width)) - probability

        each = centre + special.stdtrit(self.freedom, probability) * width
        low, high = float(each.min()), float(each.max())
        # All agree where there is no scatter; rounding may put the root outside.
        if not beyond(low) < 0 < beyond(high):
            return float(weight @ each)
        return float(optimize.brentq(beyond, low, high, rtol=1e-10))

    def pieces(self) -> int:
        """By how much memory widens the error, the shape given."""
        of_shape = self.weight.sum(1)
        mean = (self.weight * self.fall).sum(1, keepdims=True) / np.maximum(of_shape, 1e-300)[:, None]
        honest = float((self.weight * (self.error**2 + (self.fall - mean) ** 2)).sum())
        count = self.freedom + 2
        return min(max(round(count * float(of_shape @ self.error[:, 0] ** 2) / honest), 2), count)


def fall_to_come(
    times: npt.ArrayLike, losses: npt.ArrayLike, *, now: float, until: float, level: float = 0.90
) -> FallToCome:
    """How far the loss falls from now until then, averaged over how it may slow down and what its noise remembers.

    The record is a + b f(t) plus noise. f is the logarithm of time, a power law or a relaxation: (1 − e^−κw)/(1 − e^−κ)
    with w from 0 to 1 along the record, in ln t with κ = 0 (the logarithm), 1/2, 1, 2, and −1/2 for a fall that speeds
    up, or in t with κ = 1, 2, 4. The noise is Gaussian with covariance σ² [(1 − s) δ_ij + s exp(−|i − j|/τ)]: a share
    s of it relaxes in τ entries, s = 0, or 1/4 to 1 and τ = 1, 2, 4, … 64. The logarithm counts as much beforehand
    as all other shapes together, and independent noise as much as all other noise. a, b and σ are integrated out:
    given (f, s, τ), b has Student's t about generalised least squares, and (f, s, τ) the likelihood

        |V|^−1/2 |Xᵀ V⁻¹ X|^−1/2 (residual sum of squares in V⁻¹)^−(n − 2)/2

    of Harville (Biometrika 61, 383, 1974). A correlation computed from the residuals of a fitted line would come
    out too small (Marriott & Pope, Biometrika 41, 390, 1954), and be taken as known; here it has neither fault. What a
    short record cannot tell, whether it sees a memory, a bend or a slope, widens the interval.

    No record says whether a training goes on slowing down as it did. Two futures bound what is usual: it does,
    b [f(until) − f(now)], or it keeps its present rate against ln t, b f′(now) ln(until/now); one that speeds up keeps
    its rate in both. The interval reaches from the lower end of the first to the upper end of the second. A loss that
    will fall faster than now (a plateau that ends) is outside both.

    Args:
        times: of the entries, from the start of training, (n,), positive and rising.
        losses: equally spaced in time, (n,).
        now: the end of the record.
        until: the end of the wait.
        level: two-sided.

    Returns:
        Fall, interval and pieces.

    Raises:
        ConfigError: a ValueError: lengths that differ, fewer than 4 entries, losses that are not finite, or times that do
            not rise from above 0 to `until`.

    >>> times = np.arange(32.0, 64.0)
    >>> found = fall_to_come(times, 3 - np.log(times) + 0.01 * (-1.0) ** times, now=64, until=128)
    >>> bool(found.interval[0] < np.log(2) < found.interval[1]), found.pieces
    (True, 25)
    """
    checked_level(level)
    now, until = (_finite(name, value) for name, value in (("now", now), ("until", until)))
    places, record = real_numbers("times", times), real_numbers("losses", losses)
    if places.shape != record.shape or places.ndim != 1 or len(places) < _FEWEST:
        message = (
            f"times {places.shape} and losses {record.shape} must be two sequences of equal length, at least "
            f"{_FEWEST}"
        )
        raise ConfigError(message)
    if not (places[0] > 0 and (np.diff(places) > 0).all() and places[-1] <= now < until):
        message = (
            f"times from {places[0]:g} to {places[-1]:g}, now {now:g}, until {until:g}: they must be positive and "
            "rise in this order"
        )
        raise ConfigError(message)
    if not np.isfinite(record).all():
        message = "losses hold NaN or infinity; leave out the entries since the training diverged"
        raise ConfigError(message)
    shapes = _shapes(float(places[0]), float(places[-1]))
    rounding = _ROUNDING * float(np.abs(record).max())
    found = _falls(np.stack([shape.at(places) for shape in shapes]), record - record.mean(), rounding)
    ends = np.array([now, until])
    keeping = np.array([shape.rate(now) for shape in shapes]) * math.log(until / now)
    slowing = np.minimum([float(np.diff(shape.at(ends))[0]) for shape in shapes], keeping)
    exact = (found.error == 0).any(1)
    if exact.any():
        best = int(exact.argmax())
        fall = float(found.fall[best, 0])
        both = sorted((fall * float(slowing[best]), fall * float(keeping[best])))
        return FallToCome(sum(both) / 2, (both[0], both[1]), len(places))
    tail = (1 - level) / 2
    lows, highs = (
        [found.quantile(probability, future) for future in (slowing, keeping)]
        for probability in (tail, 1 - tail)
    )
    return FallToCome(found.quantile(0.5, slowing, keeping), (min(lows), max(highs)), found.pieces())


def _finite(name: str, value: float) -> float:
    check_number(name, value)
    return float(value)


def _shapes(first: float, last: float) -> tuple[_Shape, ...]:
    """The logarithm is the first."""
    powers = [_Shape(first, last, slowing, True) for slowing in (0.0, *_POWERS)]
    return (*powers, *(_Shape(first, last, slowing, False) for slowing in _RELAXATIONS))


def _falls(shapes: Array, record: Array, rounding: float) -> _Falls:
    """`rounding` is the scatter below which a record has none."""
    count, freedom = len(record), len(record) - 2
    inverses, logarithms, before = _kinds_of_noise(count)
    design = np.stack([np.ones_like(shapes), -shapes], 2)[:, None]
    across = np.swapaxes(design, 2, 3) @ inverses
    normal = across @ design
    fitted = np.linalg.solve(normal, (across @ record)[..., None])
    residuals = record - (design @ fitted)[..., 0]
    squares = np.einsum("ski,ski->sk", residuals, (inverses @ residuals[..., None])[..., 0])
    squares[squares <= count * rounding**2] = 0.0
    likelihood = (
        np.log(before)
        + np.log(_beforehand(len(shapes)))[:, None]
        - logarithms / 2
        - np.linalg.slogdet(normal).logabsdet / 2
        - freedom / 2 * np.log(np.maximum(squares, np.finfo(float).tiny))
    )
    weight = np.exp(likelihood - likelihood.max())
    error: Array = np.sqrt(squares / freedom * np.linalg.inv(normal)[..., 1, 1])
    return _Falls(weight / weight.sum(), fitted[..., 1, 0].astype(float), error, freedom)


def _beforehand(kinds: int) -> Array:
    """The first, the simplest, counts as much as all others together."""
    return np.append(_SIMPLEST, np.full(kinds - 1, (1 - _SIMPLEST) / (kinds - 1)))


@functools.lru_cache(maxsize=64)
def _kinds_of_noise(count: int) -> tuple[Array, Array, Array]:
    """Of every kind V⁻¹, ln |V| and the probability beforehand; the first is independent."""
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    one = np.eye(count)
    slow = [(1 - share) * one + share * np.exp(-apart / time) for share in _SHARES for time in _MEMORIES]
    covariances = np.stack([one, *slow])
    return np.linalg.inv(covariances), np.linalg.slogdet(covariances).logabsdet, _beforehand(len(covariances))
