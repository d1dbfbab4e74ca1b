"""Whether rows that should wander independently move on together: a state that is not stationary, however steady."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import fdtrc

from thermograd.estimators.displacement_drift import FALSE_ALARM

Array = npt.NDArray[Any]

_ENOUGH_ROWS = 4


class CommonDrift(NamedTuple):
    """The part of the displacement that all rows share.

    Attributes:
        tested: whether there were 4 rows or more.
        found: whether it is more than the tolerance, and beyond chance.
        lag: over which rows were displaced.
        share: of the mean-square displacement.
        chance: p-value, NaN if not tested.
    """

    tested: bool
    found: bool
    lag: int
    share: float
    chance: float


def common_drift(products: Array, mean_square: float, lag: int, tolerance: float) -> CommonDrift:
    """|⟨d⟩|² over ⟨|d|²⟩ of displacements d of independent rows, which is 0 in a stationary state.

    |⟨d⟩|² is estimated without bias by the products d_v·d_w of different rows. A steady drift does not change D with age, so
    `displacement_drift` cannot see it; here it is tested by F = n|d̄|²/(Σ_w |d_w − d̄|²/(n − 1)) of n rows against the
    distribution F(p, p(n − 1)) of normal rows in p dimensions (Dempster, Ann. Math. Stat. 29, 995, 1958). p is
    (tr S)²/tr S² of the sample covariance, which is at most n − 1 and too small: the test errs towards silence.

    Args:
        products: d_v·d_w, per parameter, `(row, row)`; d may be averaged over origins.
        mean_square: of the displacement over that lag, per parameter.
        lag: steps of the displacement.
        tolerance: of the share.

    >>> steady = common_drift(np.ones((4, 4)) + 0.1 * np.eye(4), 1.1, 10, 0.1)
    >>> steady.found, round(steady.share, 3)
    (True, 0.909)
    >>> common_drift(np.eye(4), 1.0, 10, 0.1).found
    False
    """
    rows = len(products)
    total = float(products.sum())
    if rows < _ENOUGH_ROWS or not mean_square > 0:
        return CommonDrift(False, False, lag, np.nan, np.nan)
    share = (total - float(np.trace(products))) / (rows * (rows - 1)) / mean_square
    means = products.mean(axis=0)
    centred = products - means - means[:, None] + means.mean()
    spread, squares = float(np.trace(centred)), float(np.square(centred).sum())
    if squares > 0:
        dimensions = spread**2 / squares
        ratio = total / rows / (spread / (rows - 1))
        chance = float(fdtrc(dimensions, dimensions * (rows - 1), max(ratio, 0.0)))
    else:
        chance = float(total <= 0)
    return CommonDrift(True, share > tolerance and chance < FALSE_ALARM, lag, share, chance)
