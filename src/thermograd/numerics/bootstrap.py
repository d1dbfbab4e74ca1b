"""Bootstrap over independent pieces by multinomial counts, with percentiles at order statistics."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from thermograd.errors import ConfigError
from thermograd.numerics.whole_number import check_whole_number

Array = npt.NDArray[Any]

_MOST_RESAMPLES = 10**7


def resampled_counts(
    counts: Array, resamples: int, seed: int, *, outcomes: Sequence[Array] = ()
) -> npt.NDArray[np.int64]:
    """How often each outcome is drawn in each bootstrap resample, `(resamples, outcome)`.

    N pieces that fall into K distinct outcomes are resampled by one multinomial draw of N over the K
    observed frequencies: the cost is `resamples * K`, whatever N is. The draws depend on `seed`, on the
    counts and on `outcomes`: the same data give the same draws, so that statistics of one data set can be paired
    resample by resample. Two data sets whose counts agree, as where every outcome occurred once, give independent
    draws only with `outcomes`; with sorted outcomes and the same draws their means would rise and fall together.

    Args:
        counts: number of pieces per outcome, `(K,)`.
        resamples: number of resamples; 0 gives an empty array.
        seed: non-negative integer.
        outcomes: what the outcomes are, arrays `(K,)`.

    Returns:
        Integer counts; every row sums to `counts.sum()`.

    Raises:
        ConfigError: a ValueError: no piece, resamples that are no whole number from 0 to 10⁷, or a negative seed.

    >>> resampled_counts(np.array([3, 1]), 1000, seed=0).sum(axis=1).max()
    np.int64(4)
    """
    check_whole_number("resamples", resamples, 0, _MOST_RESAMPLES, error=ConfigError)
    counts = np.asarray(counts, np.int64)
    pieces = int(counts.sum())
    if pieces < 1:
        message = f"a bootstrap needs at least one piece, got {pieces}"
        raise ConfigError(message)
    return generator_of_data(seed, counts, *outcomes).multinomial(pieces, counts / pieces, size=resamples)


def generator_of_data(seed: int, *data: Array) -> np.random.Generator:
    """A generator that depends on a seed and on data: equal data draw alike, others independently.

    Args:
        seed: non-negative integer.
        data: arrays.

    Returns:
        The generator.

    Raises:
        ConfigError: a negative seed.

    >>> generator_of_data(0, np.arange(3)).random() == generator_of_data(0, np.arange(4)).random()
    False
    """
    check_whole_number("seed", seed, 0, error=ConfigError)
    fingerprint = 0
    for array in data:
        fingerprint = zlib.crc32(np.ascontiguousarray(array).tobytes(), fingerprint)
    return np.random.default_rng(np.random.SeedSequence([seed, fingerprint]))


def percentile_interval(
    samples: Array, level: float = 0.95, *, pieces: float = np.inf, acceleration: float = 0.0
) -> tuple[Any, Any]:
    """Two-sided percentile interval of resamples on axis 0, taken at order statistics.

    Of n pieces the resamples spread too little, by sqrt((n - 1) / n), and know nothing of the scatter of their
    own spread. The expanded percentile interval (Hesterberg, "What teachers should know about the bootstrap",
    Am. Stat. 69, 371, 2015) therefore moves the normal quantile z of each tail to
    z' = sqrt(n / (n - 1)) t, with Student's t of n - 1 degrees of freedom. If the pieces are skewed both tails
    shift: z' becomes a + (a + z') / (1 - a (a + z')) (Efron, "Better bootstrap confidence intervals", J. Am.
    Stat. Assoc. 82, 171, 1987). There the first a is a bias correction of its own; for a mean, and a function
    of one, both agree to this order, and the jackknife knows a without the noise of the resamples.

    No interpolation between neighbours: a resampled mean may be infinite, and half way between a number
    and infinity is neither. The lower end is rounded down to an order statistic, the upper end up.

    Args:
        samples: `(resample, ...)`, at least one resample, without NaN.
        level: two-sided confidence, between 0 and 1.
        pieces: number n of independent pieces that were resampled; infinite: plain percentiles. Of a single
            piece, whose scatter nobody knows, the outermost resamples are taken.
        acceleration: a, from `jackknife_acceleration`.

    Returns:
        `(low, high)`, each of the shape of one resample.

    >>> low, high = percentile_interval(np.arange(1.0, 1002.0), 0.9)
    >>> float(low), float(high)
    (51.0, 951.0)
    >>> low, high = percentile_interval(np.arange(1.0, 1002.0), 0.9, pieces=10)  # z' = 1.93 instead of 1.64
    >>> float(low), float(high)
    (27.0, 975.0)
    """
    last = samples.shape[0] - 1
    tails = _tails(level, pieces, acceleration)
    # A product such as 200 * 0.95 can miss its whole number by rounding; the order statistic must not.
    below, above = int(np.floor(tails[0] * last + 1e-9)), int(np.ceil(tails[1] * last - 1e-9))
    ordered = np.partition(samples, (below, above), axis=0)
    return ordered[below], ordered[above]


def expanded_confidence(confidence: float, pieces: float) -> float:
    """The share of resamples on one side of a threshold that stands for a one-sided confidence, of few pieces.

    The tail of the expanded percentile interval (Hesterberg 2015, see `percentile_interval`): Phi(sqrt(n / (n -
    1)) t), with Student's t of n - 1 degrees of freedom at that confidence.

    Args:
        confidence: between 0 and 1.
        pieces: number n of independent pieces that were resampled; 1 of them decides nothing.

    Returns:
        The share, 1 for a single piece.

    >>> round(expanded_confidence(0.95, 8), 3), round(expanded_confidence(0.95, np.inf), 3)
    (0.979, 0.95)
    """
    if not np.isfinite(pieces):
        return confidence
    if pieces <= 1:
        return 1.0
    return float(ndtr(np.sqrt(pieces / (pieces - 1.0)) * stdtrit(pieces - 1.0, confidence)))


def jackknife_acceleration(without: Array, counts: Array) -> float:
    """Acceleration a of a statistic: a sixth of the skewness of what single pieces contribute to it.

    a = sum of d^3 / (6 (sum of d^2)^(3/2)), d = mean of the jackknife values less each of them (Efron &
    Tibshirani, An Introduction to the Bootstrap, 1993, eq. 14.15). For a mean it is skewness / (6 sqrt(n)).

    Args:
        without: `(K,)` the statistic without one piece of each outcome.
        counts: `(K,)` number of pieces per outcome.

    Returns:
        The acceleration; 0 if some value is infinite or all are the same.

    >>> pieces = np.array([0.0, 0.0, 0.0, 4.0])
    >>> round(jackknife_acceleration((4.0 - pieces) / 3.0, np.ones(4)), 6)  # skewness 2 / sqrt(3), n = 4
    0.096225
    """
    if not np.isfinite(without).all():
        return 0.0
    deviation = counts @ without / counts.sum() - without
    scatter = float(counts @ deviation**2)
    # Rounding alone must not pass for a skewness.
    if scatter <= 1e-24 * float(counts @ without**2):
        return 0.0
    return float(counts @ deviation**3 / (6.0 * scatter**1.5))


def _tails(level: float, pieces: float, acceleration: float) -> tuple[float, float]:
    tail = (1.0 - level) / 2.0
    if not np.isfinite(pieces) and not acceleration:
        return tail, 1.0 - tail
    if pieces <= 1:
        return 0.0, 1.0
    outward = -ndtri(tail)
    if np.isfinite(pieces):
        outward = -np.sqrt(pieces / (pieces - 1.0)) * stdtrit(pieces - 1.0, tail)
    a = acceleration
    low, high = (a + (a + z) / max(1.0 - a * (a + z), 1e-9) for z in (-outward, outward))
    return float(ndtr(low)), float(ndtr(high))
