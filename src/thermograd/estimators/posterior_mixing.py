"""Whether chains agree, and how many independent draws they hold: rank-normalised split R̂ and effective sample size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[Any]

_FEWEST = 4
_TAILS = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class EffectiveSampleSize:
    """How many independent draws would know as much.

    Attributes:
        bulk: about the middle of the distribution, of the shape of one draw.
        tail: about its 5 % and 95 % quantiles, the smaller of the two, likewise.

    >>> random = np.random.default_rng(0)
    >>> still = random.normal(size=(4, 1, 2)) + 0.01 * random.normal(size=(4, 100, 2))
    >>> found = effective_sample_size(still)  # chains that stay where they are: hardly more than 4 draws
    >>> found.bulk.shape, bool((found.bulk < 10).all())
    ((2,), True)
    """

    bulk: Array
    tail: Array


def rhat(draws: npt.ArrayLike) -> Array:
    """Rank-normalised split R̂, the larger of that of the draws and that of their distances from the median.

    Every chain is cut in halves of n draws; z are the normal scores (Blom) of the ranks among all draws; with the
    variance W inside the halves and the variance B / n of their means, R̂² = (n − 1)/n + B/(n W). Halves that explore
    the same distribution have 1; the distances from the median see halves of the same place and another width (Vehtari,
    Gelman, Simpson, Carpenter & Bürkner, Bayesian Analysis 16, 667, 2021, eqs 4 and 14).

    Args:
        draws: `(chain, draw, ...)`; a single chain is compared with itself, half with half.

    Returns:
        R̂ of the shape of one draw; NaN with fewer than 4 draws or where all draws are the same, infinite where no chain
        moves and they differ.

    Raises:
        ConfigError: a ValueError: fewer than 2 axes, or draws that are not finite.

    >>> same = np.random.default_rng(0).normal(size=(4, 1000))
    >>> apart = same + np.array([[0.0], [0.0], [0.0], [1.0]])
    >>> float(rhat(same).round(3)), float(rhat(apart).round(3))
    (1.0, 1.115)
    """
    return _by_coordinate(draws, _rhat_of_one)


def effective_sample_size(draws: npt.ArrayLike) -> EffectiveSampleSize:
    """Effective sample size S / τ of S draws, of split chains, from their autocorrelations ρ.

    τ = −1 + 2 Σ_k (ρ_2k + ρ_2k+1), summed while the pairs are positive and made decreasing (Geyer, Statist. Sci. 7, 473,
    1992); ρ_t = 1 − (W − mean autocovariance) / V with V = W (n − 1)/n + B/n, which counts disagreement of the chains
    too. The bulk takes the normal scores of the ranks, the tail whether a draw is below the 5 % or the 95 % quantile
    (Vehtari et al., Bayesian Analysis 16, 667, 2021, eqs 10 to 13). It is never above S log10 S.

    Args:
        draws: `(chain, draw, ...)`.

    Returns:
        Bulk and tail; NaN with fewer than 4 draws.

    Raises:
        ConfigError: a ValueError: fewer than 2 axes, or draws that are not finite.

    >>> kicks = np.random.default_rng(0).normal(size=(4, 2000))
    >>> slow = kicks[:, 1:] + kicks[:, :-1]  # ρ = 1, 1/2, 0, ...: τ = 2
    >>> bool(3500 < effective_sample_size(slow).bulk < 4500)
    True
    """
    bulk = _by_coordinate(draws, lambda one: _size_of(_normal_scores(_halves(one))))
    return EffectiveSampleSize(bulk, _by_coordinate(draws, _tail_of_one))


def _by_coordinate(draws: npt.ArrayLike, function: Callable[[Array], float]) -> Array:
    records = real_numbers("draws", draws)
    if records.ndim < 2 or not np.isfinite(records).all():
        message = f"draws has shape {records.shape}; it must be (chain, draw, ...), all finite"
        raise ConfigError(message)
    shape = records.shape[2:]
    flat = records.reshape(*records.shape[:2], int(np.prod(shape)))
    if records.shape[0] < 1 or records.shape[1] < _FEWEST:
        return np.full(shape, np.nan)
    found = [function(flat[:, :, coordinate]) for coordinate in range(flat.shape[2])]
    return np.array(found).reshape(shape)


def _halves(one: Array) -> Array:
    """`(chain, draw)` as `(2 chain, draw // 2)`; of an odd number the middle draw is left out."""
    half = one.shape[1] // 2
    return np.concatenate([one[:, :half], one[:, -half:]])


def _normal_scores(one: Array) -> Array:
    """Normal quantiles of the ranks of all entries, ties at their mean rank."""
    _, place, count = np.unique(one, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    scores: Array = ndtri((rank - 0.375) / (one.size + 0.25))[place].reshape(one.shape)
    return scores


def _rhat_of_one(one: Array) -> float:
    halves = _halves(one)
    folded = np.abs(halves - np.median(halves))
    return float(np.fmax(_ratio(_normal_scores(halves)), _ratio(_normal_scores(folded))))


def _ratio(scores: Array) -> float:
    length = scores.shape[1]
    between = float(scores.mean(axis=1).var(ddof=1))
    within = float(scores.var(axis=1, ddof=1).mean())
    if within < 1e-24:
        return np.inf if between > 1e-24 else np.nan
    return float(np.sqrt(between / within + (length - 1) / length))


def _tail_of_one(one: Array) -> float:
    return min(_size_of(_halves((one <= np.quantile(one, tail)).astype(float))) for tail in _TAILS)


def _size_of(halves: Array) -> float:
    """Effective sample size of `(chain, draw)`."""
    entries = halves.size
    if np.ptp(halves) < 1e-15:
        return float(entries)
    correlation = _autocorrelation(halves)
    pairs = correlation[: correlation.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    last = _end_of_positive_pairs(pairs, (correlation.size - 3) // 2)
    even = correlation[2 * last]
    rest = even if pairs[last] >= 0 or even > 0 else 0.0
    time = -1.0 + 2.0 * float(np.minimum.accumulate(pairs[:last]).sum()) + rest
    return float(entries / max(time, 1 / np.log10(entries)))


def _end_of_positive_pairs(pairs: Array, largest: int) -> int:
    """The first pair that is not positive, at most `largest`."""
    if largest < 1 or pairs[0] <= 0:
        return 0
    ends = np.flatnonzero(pairs[1 : largest + 1] <= 0)
    return int(ends[0]) + 1 if ends.size else largest


def _autocorrelation(chains: Array) -> Array:
    """ρ at lags 0, 1, ... of chains together; chains that disagree are correlated for ever."""
    count, length = chains.shape
    away = chains - chains.mean(axis=1, keepdims=True)
    spectrum = rfft(away, n=next_fast_len(2 * length), axis=1)
    covariance = (
        irfft(np.abs(spectrum) ** 2, n=next_fast_len(2 * length), axis=1)[:, :length].mean(axis=0) / length
    )
    within = covariance[0] * length / (length - 1)
    total = covariance[0] + (chains.mean(axis=1).var(ddof=1) if count > 1 else 0.0)
    correlation: Array = 1.0 - (within - covariance) / total
    correlation[0] = 1.0
    return correlation
