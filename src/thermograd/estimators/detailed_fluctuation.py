"""The detailed fluctuation theorem: ln P(−σ)/P(σ) against σ, theory −σ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betaincinv, expit, logit

from thermograd.errors import ConfigError
from thermograd.estimators.fluctuation_theorems import checked_entropy
from thermograd.estimators.trajectory_pieces import checked_level, joined, mean_of_pieces
from thermograd.numerics.finite_number import is_finite_number
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_RAREST = 10
_ROUNDS = 20


def detailed_fluctuation(sigma: npt.ArrayLike, *, bins: int = 21, level: float = 0.95) -> Estimate:
    """Slope of ln P(−σ)/P(σ) against σ, −1 by the detailed fluctuation theorem.

    Maximum likelihood: of the windows of one |σ| a share 1/(1 + exp(−slope |σ|)) is negative. All windows in pairs of
    bins count, each with its own |σ|: unlike a line through log ratios it suffers neither from the width of the bins
    nor from small counts. As the integral theorem it holds from any start.

    Args:
        sigma: of windows, `(trajectory, window)` or `(window,)`.
        bins: odd; one is centred on 0, the others form pairs up to the tenth of the largest |σ| of the rarer sign.
        level: two-sided.

    Returns:
        A pure number.

    Raises:
        ConfigError: a ValueError: an even number of bins, NaN, or no window of one sign outside the middle bin.

    >>> sigma = np.random.default_rng(0).normal(1.0, np.sqrt(2.0), size=(20, 2000))  # P(−σ)/P(σ) = exp(−σ)
    >>> print(detailed_fluctuation(sigma))
    -0.9991 (-1.02 to -0.9784 at 95 %), from 20 pieces (holds from any start: does not test equilibration)
    """
    checked_level(level)
    entropy = checked_entropy(sigma)
    pairs = _pairs(entropy, bins)
    if not 0 < pairs.negative.sum() < pairs.windows.sum():
        _refuse(pairs.negative.sum(), pairs.windows.sum())
    size = np.where(pairs.place < pairs.size.size, np.abs(entropy), 0.0)
    slope = _likeliest(pairs)
    for _ in range(_ROUNDS):
        share = expit(slope * size)
        pulls = size * (pairs.below - share)
        information = float((size**2 * share * (1 - share)).sum())
        change = float(pulls.sum()) / information
        slope += change
        if abs(change) < 1e-10 * abs(slope):
            break
    found = mean_of_pieces(pulls)
    half = float(found.half_width(level)) * pulls.size / information
    return Estimate(
        slope,
        (slope - half, slope + half),
        level=level,
        pieces=found.pieces,
        note=joined(["holds from any start: does not test equilibration", found.note]),
    )


def detailed_fluctuation_curve(
    sigma: npt.ArrayLike, *, bins: int = 21, level: float = 0.95
) -> tuple[Array, Estimate]:
    """The log ratio ln P(−σ)/P(σ) in pairs of bins, and σ at their centres.

    The interval is that of a binomial share (Clopper-Pearson), widened where windows of one piece are alike.

    Args:
        sigma: of windows, `(trajectory, window)` or `(window,)`.
        bins: odd; one is centred on 0, the others form pairs up to the tenth of the largest |σ| of the rarer sign.
        level: two-sided, of every point.

    Returns:
        Centres σ > 0, `(bins // 2,)`, and the log ratio at them; infinite where one bin is empty, NaN where both are.

    Raises:
        ConfigError: a ValueError: an even number of bins, NaN, or no window of one sign.

    >>> centres, curve = detailed_fluctuation_curve(np.array([[-1.0, 1.0, 1.0, 1.0]]), bins=3)
    >>> centres.round(3).tolist(), round(float(curve.value[0]), 3)  # ln 1/3
    ([0.667], -1.099)
    """
    checked_level(level)
    pairs = _pairs(checked_entropy(sigma), bins)
    low, high, pieces = np.full(pairs.size.size, -np.inf), np.full(pairs.size.size, np.inf), 0
    note = ""
    for place, (windows, negative) in enumerate(zip(pairs.windows, pairs.negative, strict=True)):
        share = negative / windows if windows else 0.5
        found = mean_of_pieces(np.where(pairs.place == place, pairs.below - share, 0.0))
        binomial = windows * share * (1 - share)
        alike = max(1.0, (float(found.error) * pairs.place.size) ** 2 / binomial) if binomial else 1.0
        seen, missed = negative / alike, (windows - negative) / alike
        if seen:
            low[place] = logit(betaincinv(seen, missed + 1, (1 - level) / 2))
        if missed:
            high[place] = logit(betaincinv(seen + 1, missed, (1 + level) / 2))
        pieces, note = found.pieces, found.note
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(pairs.negative / (pairs.windows - pairs.negative))
    return pairs.centres, Estimate(value, (low, high), level=level, pieces=pieces, note=note)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Windows sorted into pairs of bins of equal |σ|.

    Attributes:
        centres: |σ| at the middle of each pair of bins.
        place: the pair of each window, `(trajectory, window)`; the number of pairs where it is in none.
        below: 1 for windows with σ < 0, 0 for others and for those in no pair.
        windows: number in each pair.
        negative: number with σ < 0.
        size: mean |σ| of each pair; its centre where it is empty.
    """

    centres: Array
    place: Array
    below: Array
    windows: Array
    negative: Array
    size: Array


def _pairs(entropy: Array, bins: int) -> _Pairs:
    if not is_finite_number(bins) or bins < 3 or bins % 2 != 1:
        message = f"bins is {bins!r}; it must be odd, 3 or more: one bin at 0 and pairs beside it"
        raise ConfigError(message)
    ordered = np.sort(entropy, axis=None)
    rare = min(int((ordered < 0).sum()), int((ordered > 0).sum()))
    if not rare:
        _refuse(int((ordered < 0).sum()), ordered.size)
    rank = min(_RAREST, rare)
    width = 2 * min(-ordered[rank - 1], ordered[-rank]) / bins
    size = np.abs(entropy)
    # the outermost edge belongs to the outermost bin, whatever rounding makes of it
    place = np.where(size <= bins * width / 2 * (1 + 1e-12), np.rint(size / width).astype(np.int64), bins)
    place = np.where(place == bins // 2 + 1, bins // 2, place) - 1
    place = np.where((place < 0) | (place >= bins // 2), bins // 2, place)
    below = (entropy < 0) & (place < bins // 2)
    windows, negative, total = (
        np.bincount(place.ravel(), weights, minlength=bins // 2 + 1)[:-1]
        for weights in (None, below.ravel().astype(float), size.ravel())
    )
    centres = width * np.arange(1, bins // 2 + 1)
    mean = np.where(windows > 0, total / np.maximum(windows, 1), centres)
    return _Pairs(centres, place, below.astype(float), windows.astype(float), negative, mean)


def _likeliest(pairs: _Pairs) -> float:
    """The slope from the numbers in the bins alone: where the others begin."""

    def excess(slope: float) -> float:
        return float(pairs.size @ (pairs.negative - pairs.windows * expit(slope * pairs.size)))

    reach = 1 / float(pairs.size.max())
    while excess(-reach) < 0 or excess(reach) > 0:
        reach *= 2
    slope: float = brentq(excess, -reach, reach, xtol=1e-12 * reach)
    return slope


def _refuse(negative: float, windows: float) -> None:
    message = (
        f"{negative:g} of {windows:g} windows have sigma < 0, so P(-sigma)/P(sigma) is not defined by them; use shorter "
        "windows, or more of them"
    )
    raise ConfigError(message)
