"""Bootstrap over independent pieces by multinomial counts, with percentiles at order statistics."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def resampled_counts(counts: Array, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each outcome is drawn in each bootstrap resample, `(resamples, outcome)`.

    N pieces that fall into K distinct outcomes are resampled by one multinomial draw of N over the K
    observed frequencies: the cost is `resamples * K`, whatever N is. The draws depend on `seed` and on the
    counts: the same data give the same draws, so that statistics of one data set can be paired resample by
    resample; two data sets give independent draws although both use the same seed.

    Args:
        counts: number of pieces per outcome, `(K,)`.
        resamples: number of resamples; 0 gives an empty array.
        seed: non-negative integer.

    Returns:
        Integer counts; every row sums to `counts.sum()`.

    Raises:
        ValueError: no piece, or a negative number of resamples.

    >>> resampled_counts(np.array([3, 1]), 1000, seed=0).sum(axis=1).max()
    np.int64(4)
    """
    counts = np.asarray(counts, np.int64)
    pieces = int(counts.sum())
    if pieces < 1 or resamples < 0:
        message = (
            f"a bootstrap needs at least one piece and resamples >= 0, got {pieces} pieces and {resamples}"
        )
        raise ValueError(message)
    fingerprint = zlib.crc32(np.ascontiguousarray(counts).tobytes())
    generator = np.random.default_rng(np.random.SeedSequence([seed, fingerprint]))
    return generator.multinomial(pieces, counts / pieces, size=resamples)


def percentile_interval(samples: Array, level: float = 0.95) -> tuple[Any, Any]:
    """Two-sided percentile interval of resamples on axis 0, taken at order statistics.

    No interpolation between neighbours: a resampled mean may be infinite, and half way between a number
    and infinity is neither. The lower end is rounded down to an order statistic, the upper end up.

    Args:
        samples: `(resample, ...)`, at least one resample, without NaN.
        level: two-sided confidence, between 0 and 1.

    Returns:
        `(low, high)`, each of the shape of one resample.

    >>> low, high = percentile_interval(np.arange(1.0, 1002.0), 0.9)
    >>> float(low), float(high)
    (51.0, 951.0)
    """
    tail = (1.0 - level) / 2.0
    last = samples.shape[0] - 1
    # A product such as 200 * 0.95 can miss its whole number by rounding; the order statistic must not.
    below, above = int(np.floor(tail * last + 1e-9)), int(np.ceil((1.0 - tail) * last - 1e-9))
    ordered = np.partition(samples, (below, above), axis=0)
    return ordered[below], ordered[above]
