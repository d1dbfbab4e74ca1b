"""First lags at which displacements reach a threshold, for many curves at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


class Crossing(NamedTuple):
    """Where curves `(..., L)` first reach a threshold, each `(...)`.

    Attributes:
        times: interpolated lag, NaN where it is censored.
        lower: the truth is not below it.
        upper: nor above it; infinite where the threshold is never reached.
    """

    times: Array
    lower: Array
    upper: Array

    @property
    def too_short(self) -> npt.NDArray[np.bool_]:
        """Where the threshold is passed before anything was measured below it."""
        return np.isnan(self.times) & np.isfinite(self.upper)


class DisplacementCrossings:
    """Curves of Δ against lag, prepared for one threshold after another.

    Between the first lag with Δ ≥ Δ* and the last one before it with 0 < Δ the curve is taken to be straight in
    (ln t, ln Δ). Entries that are NaN or 0 are no points of the curve.

    >>> found = DisplacementCrossings(np.array([np.nan, 1.0, np.nan, 4.0]), np.array([1, 2, 3, 4])).at(2.0)
    >>> float(found.times), float(found.lower), float(found.upper)  # √8, half way in both logarithms
    (2.8284271247461903, 2.0, 4.0)
    """

    def __init__(self, curves: Array, lags: Steps) -> None:
        places = np.arange(lags.size)
        self._points = curves > 0  # NaN is no point either
        newest = np.maximum.accumulate(np.where(self._points, places, -1), axis=-1)
        self._before = np.concatenate([np.full_like(newest[..., :1], -1), newest[..., :-1]], axis=-1)
        self._heights = np.log(np.where(self._points, curves, 1.0))
        self._lags = lags.astype(float)
        self._longest = np.where(np.isfinite(curves), self._lags, 0.0).max(axis=-1, initial=0.0)

    def at(self, threshold: float) -> Crossing:
        """The first crossings of a positive threshold."""
        height = np.log(threshold)
        reached = self._points & (self._heights >= height)
        first = reached.argmax(axis=-1)
        found = np.take_along_axis(reached, first[..., None], axis=-1)[..., 0]
        before = np.take_along_axis(self._before, first[..., None], axis=-1)[..., 0]
        resolved = found & (before >= 0)
        before = np.where(resolved, before, first)
        low, high = (
            np.take_along_axis(self._heights, place[..., None], axis=-1)[..., 0] for place in (before, first)
        )
        rise = np.where(resolved, high - low, 1.0)
        share = np.where(resolved, (height - low) / rise, 0.0)
        times = self._lags[before] * (self._lags[first] / self._lags[before]) ** share
        return Crossing(
            np.where(resolved, times, np.nan),
            np.where(found, np.where(resolved, self._lags[before], 0.0), self._longest),
            np.where(found, self._lags[first], np.inf),
        )
