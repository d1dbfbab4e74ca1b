"""A share of trajectories with its exact interval."""

from __future__ import annotations

from scipy.special import betaincinv

from thermograd.quantities import Estimate


def share(count: int, total: int, level: float = 0.95) -> Estimate:
    """`count` of `total` with the Clopper-Pearson interval (Clopper & Pearson 1934).

    The ends are quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k).

    Args:
        count: k, how many of them.
        total: n, at least 1.
        level: confidence.

    Returns:
        k / n with its interval.

    >>> round(share(0, 64).high, 4)  # 1 - 0.025^(1/64)
    0.056
    """
    tail = (1 - level) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return Estimate(count / total, (low, high), level, float(total))
