"""How slowly the slowest visible direction of a trajectory relaxes, and when it will have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[np.float64]
_FEWEST = 4
_GRID = 60
GOOD_FIT = 0.98


@dataclass(frozen=True)
class SlowestDirection:
    """The leading principal direction of a window, in units of the spacing of its points.

    Attributes:
        relaxation: −1/ln ρ of its lag-one autocorrelation ρ.
        interval: of the relaxation, from Bartlett's error of ρ; the upper end is infinite if ρ may be 1.
        coverage: length of the window over the relaxation.
        share: of the variance of all directions.
        fit: R² of a + b exp(−t/τ).
        settled: time after the start of the window at which b² exp(−2t/τ) falls to the residual variance;
            None unless R² ≥ 0.98 and τ lies inside the range that was searched.

    >>> import numpy as np
    >>> found = slowest_direction(np.random.default_rng(0).normal(size=(32, 3)))  # forgets at once
    >>> found.coverage > 14, found.settled  # no exponential
    (True, None)
    """

    relaxation: float
    interval: tuple[float, float]
    coverage: float
    share: float
    fit: float
    settled: float | None


def slowest_direction(points: npt.ArrayLike, level: float = 0.9) -> SlowestDirection:
    """The slowest direction that a record of equally spaced points shows.

    With 16 to 32 points a directed drift has coverage below 3 always. A free random walk along one direction has
    median 4.7, by small-sample bias, and stays below 14 in 85 to 96 % of looks; along 20 directions or more it
    stays below 3, as its leading one is half a cosine. A direction that has relaxed 20 times over reaches 14 in 83
    to 89 %. So 3 rules out drift, and only 14 is evidence of relaxation. Some 400 directions that relax equally
    fast look slow until the window covers them some 30 times.

    Args:
        points: (time, coordinate), at least 4 times.
        level: two-sided, of the interval.

    Returns:
        Its relaxation in units of the spacing, and more.

    Raises:
        ConfigError: a ValueError: a level that is not between 0 and 1, or points that are no such table of finite numbers.

    >>> import numpy as np
    >>> found = slowest_direction(np.exp(-np.arange(32) / 10.0)[:, None])
    >>> round(found.fit, 3), found.coverage < 5
    (1.0, True)
    """
    checked_level(level)
    recorded = real_numbers("points", points)
    if (
        recorded.ndim != 2
        or len(recorded) < _FEWEST
        or not recorded.shape[1]
        or not np.isfinite(recorded).all()
    ):
        message = f"points have shape {recorded.shape}; they must be (time, coordinate), {_FEWEST} times or more, all finite"
        raise ConfigError(message)
    centred = recorded - recorded.mean(0)
    directions, strengths, _ = np.linalg.svd(centred, full_matrices=False)
    along = directions[:, 0] * strengths[0]
    power = float(along @ along)
    if power == 0:
        return SlowestDirection(0.0, (0.0, 0.0), math.inf, math.nan, math.nan, None)
    correlation = float(along[1:] @ along[:-1] / (along[:-1] @ along[:-1]))
    error = special.ndtri((1 + level) / 2) * math.sqrt(max(1 - correlation**2, 0.0) / len(along))
    relaxation = _relaxation(correlation)
    fit, settled = _exponential(along)
    return SlowestDirection(
        relaxation=relaxation,
        interval=(_relaxation(correlation - error), _relaxation(correlation + error)),
        coverage=(len(along) - 1) / relaxation if relaxation else math.inf,
        share=power / float(strengths @ strengths),
        fit=fit,
        settled=settled,
    )


def _relaxation(correlation: float) -> float:
    if correlation <= 0:
        return 0.0
    return math.inf if correlation >= 1 else -1 / math.log(correlation)


def _exponential(along: Array) -> tuple[float, float | None]:
    """Least squares of a + b exp(−t/τ) with τ on a grid: R², and when the decay drowns in the residuals."""
    times = np.arange(len(along), dtype=float)
    grid = np.geomspace(0.5, 5 * len(along), _GRID)
    shapes = np.exp(-times / grid[:, None])
    spread = shapes - shapes.mean(1, keepdims=True)
    size = (spread**2).sum(1)
    amplitude = spread @ along / size
    residual = along @ along - amplitude**2 * size
    best = int(np.argmin(residual))
    fit = 1 - residual[best] / (along @ along)
    if fit < GOOD_FIT or best in {0, _GRID - 1}:
        return float(fit), None
    variance = max(residual[best], 1e-12 * (along @ along)) / (len(along) - 3)
    return float(fit), float(max(grid[best] / 2 * np.log(amplitude[best] ** 2 / variance), 0.0))
