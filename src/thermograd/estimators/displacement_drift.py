"""Whether the mean-square displacement at a lag still changes with age: a state that is not stationary."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

Array = npt.NDArray[Any]

FALSE_ALARM = 1e-3
_ENOUGH_ROWS = 4


class Drift(NamedTuple):
    """The change of the displacement with age.

    Attributes:
        tested: whether there were 4 rows or more on each side.
        found: whether it changes by more than the tolerance, and beyond chance.
        lag: the lag where that is surest.
        earlier: mean D there at the earlier age.
        later: at the later one.
        chance: two-sided p-value of Welch's test there, NaN if not tested.
    """

    tested: bool
    found: bool
    lag: int
    earlier: float
    later: float
    chance: float


def displacement_drift(earlier: Array, later: Array, lag: int, tolerance: float) -> Drift:
    """D(lag/2) and D(lag) at two ages: different by more than tolerance·D, and Welch's t-test rejects at 10⁻³.

    Logarithms are tested where all D are positive: where noise dies out, D falls by orders of magnitude and scatters as much.
    Each lag is tested at half that level, so that stationary rows are called drifting at most once in 1000 times if
    they, or their logarithms, are normal. A limit of 3 standard errors would do so in 2 to 4 % of cases with 8 rows a side.

    Args:
        earlier: D, `(row, lag)`.
        later: the same at the later age; both have at least `lag` lags.
        lag: the longer of the two lags, at least 2.
        tolerance: relative.

    Returns:
        What was found at the lag with the smaller p-value.

    >>> rows = np.array([1.0, 1.1, 0.9, 1.0])[:, None] * np.ones(2)
    >>> displacement_drift(2 * rows, rows, 2, 0.1).found, displacement_drift(rows, rows, 2, 0.1).found
    (True, False)
    """
    tested = min(len(earlier), len(later)) >= _ENOUGH_ROWS
    both = []
    for place in dict.fromkeys((lag // 2, lag)):
        before, after = earlier[:, place - 1], later[:, place - 1]
        chance = welch(*_symmetric(before, after)) if tested else np.nan
        far = abs(before.mean() - after.mean()) > tolerance * after.mean()
        found = tested and far and chance < FALSE_ALARM / 2
        both.append(Drift(tested, bool(found), place, float(before.mean()), float(after.mean()), chance))
    return min(both, key=lambda one: (not one.found, one.chance))


def _symmetric(one: Array, other: Array) -> tuple[Array, Array]:
    """Logarithms where all are positive: mean squares are skewed, the more the fewer directions move."""
    return (np.log(one), np.log(other)) if min(one.min(), other.min()) > 0 else (one, other)


def welch(one: Array, other: Array) -> float:
    """Two-sided p-value of Welch's t-test (Biometrika 34, 28, 1947) that two samples have one mean.

    >>> round(welch(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.0])), 4)
    0.1516
    """
    parts = [sample.var(ddof=1) / len(sample) for sample in (one, other)]
    variance, apart = sum(parts), abs(one.mean() - other.mean())
    if variance == 0:
        return float(apart == 0)
    freedom = variance**2 / sum(
        part**2 / (len(sample) - 1) for part, sample in zip(parts, (one, other), strict=True)
    )
    return float(2 * stdtr(freedom, -apart / np.sqrt(variance)))
