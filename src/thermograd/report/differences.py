"""What can be said about several means from independent runs: that they differ, or that it is open."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from thermograd.quantities import Estimate
from thermograd.report.ranking import number_text


def largest_difference(means: Mapping[str, Estimate]) -> tuple[str, str, Estimate]:
    """Which two of several means lie furthest apart, and by how much.

    Intervals are taken as symmetric 95 % ones and the means as independent, so their half-widths add in
    quadrature; the extremes of several are the largest of all pairs, so Bonferroni's factor widens the interval.

    Args:
        means: at least two, by name.

    Returns:
        Name of the smallest, name of the largest, and the difference of the two with its interval.

    >>> one, other = Estimate(1.0, (0.4, 1.6)), Estimate(3.0, (2.2, 3.8))
    >>> print(largest_difference({"a": other, "b": one})[2])  # 0.6 and 0.8 in quadrature
    2 (1 to 3 at 95 %)
    """
    order = sorted(means, key=lambda name: float(means[name].value))
    low, high = means[order[0]], means[order[-1]]
    pairs = len(means) * (len(means) - 1) / 2
    wider = ndtri(1 - 0.025 / pairs) / ndtri(0.975)
    half = float(np.hypot(high.high - high.value, low.high - low.value) * wider)
    difference = float(high.value - low.value)
    return order[0], order[-1], Estimate(difference, (difference - half, difference + half))


def which_is_larger(means: Mapping[str, Estimate], verb: str = "lies") -> str:
    """The same as two sentences: all means, and which is largest or that the data cannot decide."""
    lowest, highest, gap = largest_difference(means)
    order = sorted(means, key=lambda name: float(means[name].value))
    shown = ", ".join(f"{name}: {number_text(means[name])}" for name in order)
    if gap.low > 0:
        return f"{shown}. {highest} {verb} above {lowest} by {number_text(gap)}."
    return f"{shown}. Whether they differ, the data cannot decide (largest difference {number_text(gap)})."


def mean_of(values: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of the finite values with the interval of Student's t; without interval for fewer than two.

    >>> print(mean_of([1.0, 2.0, 3.0, float("nan")]))  # 4.303 / sqrt(3)
    2 (-0.4841 to 4.484 at 95 %), from 3 pieces
    """
    table = np.asarray(values, float)
    kept = table[np.isfinite(table)]
    if kept.size < 2:
        middle = float(kept[0]) if kept.size else float("nan")
        return Estimate(middle, (float("nan"), float("nan")), level, float(kept.size))
    half = float(stdtrit(kept.size - 1, 0.5 + level / 2) * kept.std(ddof=1) / np.sqrt(kept.size))
    middle = float(kept.mean())
    return Estimate(middle, (middle - half, middle + half), level, float(kept.size))
