"""Means over few independent rows, resampled, and the interval of what is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.numerics.bootstrap import resampled_counts

Array = npt.NDArray[Any]

RESAMPLES = 400
_MOST = 2**40
_LARGEST = 700.0  # whose exponential is a number


def row_weights(rows: int, seed: int) -> Array:
    """Shares of each row in 400 bootstrap resamples, `(resample, row)`.

    >>> row_weights(4, seed=0).sum(axis=1).max().round(12)
    np.float64(1.0)
    """
    return resampled_counts(np.ones(rows, np.int64), RESAMPLES, seed) / rows


def interval_of_resamples(value: Any, samples: Array, rows: int, level: float) -> tuple[Any, Any]:
    """Value · exp(± t s √(k/(k − 1))), s the spread of the logarithms of resamples, t Student's of k − 1 degrees of freedom.

    Resamples of k rows spread too little, by √((k − 1)/k), and 4 to 8 rows do not know their own spread: percentiles
    of the resamples would hold the truth too seldom. So would value ± t s √(k/(k − 1)) where rows are skewed, as mean
    squares are: of 8 rows with 4 degrees of freedom each, in 92 % of cases where 95 % are promised; on the logarithms it is
    94 to 95 %.
    Where a resample is not positive the plain interval is taken. Of one row nothing is known, and of a value that some
    resample does not have (NaN) neither: (−∞, ∞).

    Args:
        value: from all rows, a number or a curve.
        samples: from resamples, on axis 0.
        rows: k.
        level: two-sided.

    Returns:
        Lower and upper end, of the shape of `value`.

    >>> weights, rows = row_weights(5, seed=0), np.array([8.0, 9.0, 10.0, 11.0, 12.0])
    >>> low, high = interval_of_resamples(rows.mean(), weights @ rows, 5, 0.95)  # Student's: 10 ± 2.776·1.581/√5
    >>> bool(abs(high - low - 2 * 1.963) < 0.2)
    True
    """
    value, plain = np.asarray(value, float), half_width(samples, rows, level)
    positive = (np.asarray(samples) > 0).all(axis=0) & (value > 0) & (rows > 1)
    logarithms = np.log(np.where(positive, samples, 1.0))
    factor = np.exp(np.where(positive, np.minimum(half_width(logarithms, rows, level), _LARGEST), 0.0))
    low = np.where(positive, value / factor, value - plain)
    high = np.where(positive, value * factor, value + plain)
    return low[()], high[()]


def half_width(samples: Array, rows: int, level: float) -> Any:
    """Half of an interval that is symmetric: t s √(k/(k − 1)), s the spread of resamples.

    Infinite of one row, and where a resample is NaN.
    """
    if rows < 2:
        return np.full(samples.shape[1:], np.inf)[()]
    spread = samples.std(axis=0, ddof=1) * np.sqrt(rows / (rows - 1))
    return np.nan_to_num(stdtrit(rows - 1, (1 + level) / 2) * spread, nan=np.inf)[()]


def rows_for(half: float, rows: int, wanted: float, level: float) -> float:
    """How many rows would have an interval of half the width `wanted`, at the spread that these rows have.

    Args:
        half: half width from `rows` rows, from `half_width`.
        rows: k, at least 2.
        wanted: half width.
        level: two-sided.

    Returns:
        The number, infinite if the spread is not known.

    >>> rows_for(2.0, 1000, 1.0, 0.95)  # 4 times as many, less what Student's t of 1000 asks beyond that of 4000
    3993.0
    """
    if not np.isfinite(half) or wanted <= 0:
        return np.inf
    tail = (1 + level) / 2
    per_row = half * np.sqrt(rows) / stdtrit(rows - 1, tail)

    def width(count: int) -> float:
        return float(stdtrit(count - 1, tail) * per_row / np.sqrt(count))

    enough = 2
    while width(enough) > wanted and enough < _MOST:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (middle, enough) if width(middle) > wanted else (few, middle)
    return float(enough)
