"""The mean of several estimates of one number, weighted by how sure each is, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtri

from thermograd.estimators.trajectory_pieces import student
from thermograd.quantities import Estimate


class WeightedMean(NamedTuple):
    """What several estimates say together.

    Attributes:
        mean: weighted by the inverse squares of the standard errors; its error is the larger of that of the weights and
            that of the scatter of the estimates.
        p_value: of estimates of one number to scatter as much as these; NaN of fewer than two.
    """

    mean: Estimate
    p_value: float


def weighted_mean(found: Sequence[Estimate], level: float = 0.95) -> WeightedMean:
    """x̄ = Σ x_k/s_k² / Σ 1/s_k², with 1/s² = Σ 1/s_k² and Q = Σ (x_k − x̄)²/s_k², chi-square of n − 1 if all are of one number.

    The standard error is s max(1, √(Q/(n − 1))) (the scale factor of the Particle Data Group). s_k is half the width of
    an interval over the quantile of Student's t that it was made with. An estimate without a finite interval, or with
    one of no width, has no weight and is left out.

    Args:
        found: estimates, independent of one another.
        level: of the interval of the mean.

    Returns:
        The mean, NaN if no estimate has a weight, and the p-value.

    >>> two = [Estimate(value, (value - 1.96, value + 1.96)) for value in (1.0, 2.0)]
    >>> found = weighted_mean(two)
    >>> round(found.mean.value, 12), round(found.mean.high - 1.5, 2), round(found.p_value, 2)
    (1.5, 1.39, 0.48)
    """
    value = np.array([float(entry.value) for entry in found])
    error = np.array([_standard_error(entry) for entry in found])
    used = np.isfinite(value) & np.isfinite(error) & (error > 0)
    value, error = value[used], error[used]
    if not value.size:
        return WeightedMean(Estimate(np.nan, (np.nan, np.nan), level, 0.0), np.nan)
    weight = error**-2.0
    mean, own = float(weight @ value / weight.sum()), float(weight.sum() ** -0.5)
    scatter = float(weight @ (value - mean) ** 2)
    freedom = value.size - 1
    reach = float(ndtri((1 + level) / 2)) * own * (max(1.0, scatter / freedom) ** 0.5 if freedom else 1.0)
    p_value = float(chdtrc(freedom, scatter)) if freedom else np.nan
    return WeightedMean(Estimate(mean, (mean - reach, mean + reach), level, float(value.size)), p_value)


def _standard_error(found: Estimate) -> float:
    half = (float(found.high) - float(found.low)) / 2
    pieces = found.pieces if found.pieces >= 2 else np.inf
    return half / (
        student(found.level, pieces) if np.isfinite(pieces) else float(ndtri((1 + found.level) / 2))
    )
