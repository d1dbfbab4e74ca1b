"""Characteristic times at several thresholds, of all trajectories together or of resamples of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from thermograd.estimators.displacement_crossings import Crossing, DisplacementCrossings
from thermograd.estimators.displacement_curves import DisplacementCurves

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]

FEWEST = 3


@dataclass(frozen=True, eq=False)
class ThresholdTimes:
    """t* at thresholds Δ* for the waiting times of some curves, or of many resamples of them.

    Attributes:
        waiting_times: t_w, `(W,)`.
        levels: Δ*, increasing, `(K,)`.
        times: `(..., W, K)`, NaN where censored.
        too_short: where the threshold is passed at the first lag already, `(..., W, K)`.
    """

    waiting_times: Steps
    levels: Array
    times: Array
    too_short: Flags

    def usable(self, fewest: int = FEWEST, decades: float = 0.0) -> Flags:
        """Which thresholds have so many times, over so many decades of t_w, none of them below the first lag, `(..., K)`.

        The displacement of one step is the noise of that step: a threshold inside it says nothing of aging.
        """
        known = np.isfinite(self.times)
        place = np.log10(self.waiting_times)[:, None]
        span = np.where(known, place, -np.inf).max(axis=-2) - np.where(known, place, np.inf).min(axis=-2)
        enough = (known.sum(axis=-2) >= fewest) & (span >= decades - 1e-9)
        return np.asarray(enough & ~self.too_short.any(axis=-2))

    def at(self, chosen: Flags) -> ThresholdTimes:
        """Those at some of the thresholds, `(K,)`."""
        return replace(
            self,
            levels=self.levels[chosen],
            times=self.times[..., chosen],
            too_short=self.too_short[..., chosen],
        )

    @property
    def used(self) -> Steps:
        """Waiting times with a time at one of the thresholds."""
        found: Steps = self.waiting_times[np.isfinite(self.times).any(axis=1)]
        return found

    @property
    def middle(self) -> float:
        """The middle, in ln t_w, of the waiting times that are used."""
        return float(np.exp(np.log(self.used[[0, -1]]).mean()))

    @property
    def censored_fraction(self) -> float:
        """Share of waiting times and thresholds without a time; NaN of none."""
        return float(np.isnan(self.times).mean()) if self.times.size else float("nan")


def threshold_times(
    curves: DisplacementCurves,
    levels: Array,
    average: str,
    counts: npt.NDArray[np.int64] | None = None,
) -> ThresholdTimes:
    """Characteristic times of all trajectories together, or of resamples of them.

    Args:
        curves: the displacement.
        levels: Δ*.
        average: "displacement", of the mean displacement; "each", the mean of the times of every trajectory, which is not
            known where one of them is censored.
        counts: how often each trajectory is taken, `(resample, trajectory)`; None: each once, without that axis.

    Returns:
        The times.
    """
    taken = np.ones((1, curves.trajectories)) if counts is None else counts
    if average == "each":
        found = _crossings(curves.each, curves.lags, levels)
        share = taken / taken.sum(axis=1, keepdims=True)
        mean = np.tensordot(share, np.nan_to_num(found.times), axes=1)
        times = np.where(np.isnan(found.times).any(axis=0), np.nan, mean)
        too_short = np.broadcast_to(found.too_short.any(axis=0), times.shape)
    else:
        found = _crossings(curves.weighted(taken), curves.lags, levels)
        times, too_short = found.times, found.too_short
    if counts is None:
        times, too_short = times[0], too_short[0]
    return ThresholdTimes(curves.waiting_times, levels, times, too_short)


def _crossings(deltas: Array, lags: Steps, levels: Array) -> Crossing:
    """Of curves `(n, W, L)`, each `(n, W, K)`."""
    prepared = DisplacementCrossings(deltas, lags)
    found = [prepared.at(level) for level in levels]
    if not found:
        nothing = np.zeros((*deltas.shape[:2], 0))
        return Crossing(nothing, nothing, nothing)
    return Crossing(*(np.stack(parts, axis=-1) for parts in zip(*found, strict=True)))
