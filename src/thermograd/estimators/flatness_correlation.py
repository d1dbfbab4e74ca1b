"""Whether flat minima generalise: correlation of curvature with the gap between test and training loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Correlation:
    """Two coefficients of correlation.

    Attributes:
        pearson: linear.
        spearman: of the ranks, which any monotonic relation leaves as they are.

    >>> traces, gaps = [1.0, 2.0, 3.0, 4.0, 100.0], [0.1, 0.2, 0.3, 0.4, 0.5]
    >>> found = flatness_correlation(traces, gaps, samples=100)
    >>> round(found.spearman.value, 9), found.pearson.value < 0.8  # in order, but on no line
    (1.0, True)
    """

    pearson: Estimate
    spearman: Estimate

    def __str__(self) -> str:
        return f"Spearman {self.spearman}; Pearson {self.pearson}"


def flatness_correlation(
    traces: npt.ArrayLike, gaps: npt.ArrayLike, samples: npt.ArrayLike, *, level: float = 0.95
) -> Correlation:
    """Correlation of tr H / N with the generalisation gap over independent trainings.

    tr H / N is the trace of the Hessian over the number of training samples (Fig A.2 of Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks)). Intervals by Fisher's transformation, of standard error 1/√(n − 3), for ranks √((1 + ρ²/2)/(n − 3)) (Bonett & Wright, Psychometrika 65,
    23, 2000).

    Args:
        traces: tr H at the end of each training, `(n,)`.
        gaps: test less training loss, `(n,)`.
        samples: N of the training set, `(n,)` or one number for all.
        level: two-sided.

    Raises:
        ConfigError: lists of different length, fewer than 4 trainings with finite numbers, or N not positive.

    >>> found = flatness_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [0.1, 0.2, 0.3, 0.5, 0.4], 100)
    >>> round(found.spearman.value, 9), round(found.pearson.value, 9)
    (0.9, 0.9)
    """
    checked_level(level)
    trace, gap = real_numbers("traces", traces), real_numbers("gaps", gaps)
    count = real_numbers("samples", samples)
    if trace.ndim != 1 or gap.shape != trace.shape or count.shape not in {(), trace.shape}:
        message = (
            f"traces {trace.shape}, gaps {gap.shape} and samples {count.shape} must be lists of equal length, samples "
            "possibly one number"
        )
        raise ConfigError(message)
    if not (count > 0).all():
        message = f"samples are {samples!r}; numbers of training samples are positive"
        raise ConfigError(message)
    x, y = trace / count, gap
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 4:
        message = f"{int(known.sum())} of {known.size} trainings have finite numbers; at least 4 are needed"
        raise ConfigError(message)
    x, y = x[known], y[known]
    left_out = int((~known).sum())
    note = f"{left_out} trainings that diverged left out" if left_out else ""
    linear = _correlation(x, y)
    ranks = _correlation(_ranks(x), _ranks(y))
    return Correlation(
        _estimate(linear, 1.0, len(x), level, note), _estimate(ranks, 1 + ranks**2 / 2, len(x), level, note)
    )


def _correlation(x: Array, y: Array) -> float:
    """0 where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip(x @ y / size, -1, 1)) if size > 0 else 0.0


def _ranks(values: Array) -> Array:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[place]
    return ranks


def _estimate(value: float, variance: float, pieces: int, level: float, note: str) -> Estimate:
    reach = float(ndtri((1 + level) / 2)) * np.sqrt(variance / (pieces - 3))
    bounded = np.clip(value, -1 + 1e-15, 1 - 1e-15)
    ends = tuple(float(np.tanh(np.arctanh(bounded) + side * reach)) for side in (-1, 1))
    return Estimate(value, (ends[0], ends[1]), level=level, pieces=pieces, note=note)
