"""How hot posterior draws are, altogether and along directions, and whether that still changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermograd.estimators.posterior_virial import pieces_of, virial_ratio
from thermograd.quantities import Estimate

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

_SIGMAS = 4.0
_FEWEST_FOR_HALVES = 8
_FEWEST = 32


class Interval(NamedTuple):
    """A virial ratio: its name, value, interval, and whether the interval can be trusted."""

    name: str
    ratio: float
    low: float
    high: float
    known: bool


@dataclass(frozen=True)
class Heat:
    """Virial ratios of all parameters and along directions.

    Attributes:
        intervals: the ratio of all parameters first; none if it was not measured.
        first_half: the ratio in the first half of the measured draws, NaN if there are too few.
        second_half: the same in the second.
        relaxing: whether it comes closer to 1 by more than 4 standard errors from half to half.
        noise_share: mean share of the minibatch noise over chains, NaN if not known.
        evidence: all numbers.
    """

    intervals: tuple[Interval, ...]
    first_half: float
    second_half: float
    relaxing: bool
    noise_share: float
    evidence: dict[str, Any]


def heat_of(draws: PosteriorDraws, tolerance: float, level: float) -> Heat:
    """The virial ratios of draws, with intervals that hold together at `level`.

    Args:
        draws: all of them count.
        tolerance: a change between the halves smaller than this is none.
        level: two-sided confidence.

    Returns:
        The ratios; no intervals if fewer than 2 entries were measured.
    """
    measured = draws.virial.shape[1]
    known = np.isfinite(draws.noise_share)
    share = float(draws.noise_share[known].mean()) if known.any() else float("nan")
    evidence: dict[str, Any] = {"noise_share": share if known.any() else None, "virial_ratio": None}
    if draws.chains * measured < 2:
        return Heat((), float("nan"), float("nan"), False, share, evidence)
    directions = draws.directional_virial.shape[2]
    own_level = 1 - (1 - level) / (1 + directions)
    weights = draws.weights[draws.measured]
    ratio = virial_ratio(draws.virial, draws.size, draws.temperature, level=own_level, weights=weights)
    found = [_interval("virial ratio", ratio, draws)]
    evidence |= {
        "virial_ratio": ratio.value,
        "virial_interval": [ratio.low, ratio.high],
        "interval_level": own_level,
    }
    for direction in range(directions):
        along = draws.directional_virial[:, :, direction]
        part = virial_ratio(along, 1, draws.temperature, level=own_level, weights=weights)
        found.append(_interval(f"virial ratio along direction {direction}", part, draws))
    if directions:
        evidence["directional_ratio"] = [one.ratio for one in found[1:]]
        evidence["directional_interval"] = [[one.low, one.high] for one in found[1:]]
    first, second, relaxing = _halves(draws, tolerance)
    evidence |= {"ratio_of_halves": None if np.isnan(first) else [first, second], "relaxing": relaxing}
    return Heat(tuple(found), first, second, relaxing, share, evidence)


def _interval(name: str, ratio: Estimate, draws: PosteriorDraws) -> Interval:
    """Few and skewed entries, or blocks that end inside a correlation time, do not tell how well the ratio is known."""
    known = not ratio.note and ratio.high > ratio.low and draws.virial.size >= _FEWEST
    return Interval(name, float(ratio.value), float(ratio.low), float(ratio.high), bool(known))


def _halves(draws: PosteriorDraws, tolerance: float) -> tuple[float, float, bool]:
    half = draws.virial.shape[1] // 2
    if 2 * half < _FEWEST_FOR_HALVES:
        return float("nan"), float("nan"), False
    records = draws.virial / (draws.size * draws.temperature)
    first, second = pieces_of(records[:, :half]), pieces_of(records[:, half:])
    change = float(second.mean - first.mean)
    error = float(np.hypot(first.standard_error, second.standard_error))
    towards = change * (float(first.mean) - 1) < 0
    relaxing = towards and abs(change) > max(_SIGMAS * error, tolerance / 2)
    return float(first.mean), float(second.mean), bool(relaxing)
