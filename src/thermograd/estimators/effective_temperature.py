"""The effective temperature of a stationary state: how far it wanders against how far a field moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.common_drift import CommonDrift
from thermograd.estimators.displacement_drift import Drift, displacement_drift
from thermograd.estimators.half_step_displacement import half_step_displacement
from thermograd.estimators.resampled_rows import interval_of_resamples, row_weights
from thermograd.estimators.temperature_verdict import (
    Temperatures,
    lags_inside_noise_memory,
    moves_on,
    no_noise,
    not_stationary,
    one_temperature,
)
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate, Verdict

__all__ = ["EffectiveTemperature", "estimate"]

Array = npt.NDArray[np.float64]

_MEMORIES = 3


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveTemperature:
    """Temperatures in units of the loss; what may not be given is None.

    Attributes:
        short: at lag 1.
        fit: of all lags, Σ χ D̄ / Σ χ².
        long: at the longest lag.
        r_squared: of the line D̄ = fit·χ.
        lags: steps, 1 ... n, `(n,)`.
        curve: T(j) = D̄(j)/χ(j), `(n,)`.
        curve_interval: of the curve, point by point, `(2, n)`.
        displacement: D̄, mean over the rows, `(n,)`, per parameter and in squared weight.
        response: χ, mean over the rows, `(n,)`, per parameter and in squared weight over loss.
        verdict: kinds `single_temperature`, `no_single_temperature`, `undecided`, `not_stationary`,
            `lags_inside_noise_memory`, `no_noise`; in a sweep of settings `diverged`, where nothing else is there.

    >>> lags = np.arange(1, 12)
    >>> hot_and_cold = lags * (1 + lags / 5)  # D/χ grows with the lag
    >>> found = estimate(np.tile(hot_and_cold, (4, 1)), np.tile(lags, (4, 1)), half_step=False)
    >>> found.verdict.kind, round(found.short.value, 9), round(found.long.value, 9)
    ('no_single_temperature', 1.2, 3.2)
    """

    short: Estimate | None
    fit: Estimate | None
    long: Estimate | None
    r_squared: float
    lags: npt.NDArray[np.int64]
    curve: Array
    curve_interval: Array
    displacement: Array
    response: Array
    verdict: Verdict

    def __str__(self) -> str:
        return self.verdict.text

    def __repr__(self) -> str:
        return f"EffectiveTemperature({self.verdict.text})"


def estimate(
    displacement: npt.ArrayLike,
    response: npt.ArrayLike,
    *,
    earlier: npt.ArrayLike | None = None,
    later: npt.ArrayLike | None = None,
    common: CommonDrift | None = None,
    time_ordered: bool = False,
    noise_memory: float = 0,
    half_step: bool = True,
    tolerance: float = 0.1,
    level: float = 0.95,
    seed: int = 0,
) -> EffectiveTemperature:
    """T(j) = D̄(j)/χ(j), the ratio of displacement and response, and whether it is one number.

    In equilibrium D = Tχ at every lag, D half the mean-square displacement per parameter and χ the integrated response
    per parameter to a small constant field; out of equilibrium the same ratio defines an effective temperature
    (Cugliandolo, Kurchan, Peliti, Phys. Rev. E 55, 3898, 1997; of SGD: Mignacco, Urbani, arXiv 2112.10852), which may
    depend on the lag. D in place of C(0) − C(j) does not mind a slow drift of the norm. D̄ is
    that of `half_step_displacement`. At lag 1, plain, T = η⟨|g|²⟩/(2N) with the minibatch gradient g, which is the
    stationarity relation of Yaida (arXiv 1810.00004) per parameter; D̄ gives the mean-square displacement over two
    steps, over 4η.

    Intervals: 400 resamples of the rows, see `interval_of_resamples`. A state whose displacement changes with age has
    no temperature: kind `not_stationary` (a false alarm once in 1000 at most, see `displacement_drift`). Lags below 3 times the
    memory of the batches show the memory: only `short` is given.

    Args:
        displacement: D at lags 1, 2, ..., rows are independent (windows, seeds, data), `(row, lag)` or `(lag,)`.
        response: χ at lags 1, 2, ..., the same rows.
        earlier: D at an earlier age, `(row, lag)`, to test stationarity; rows need not match.
        later: D at a later age, likewise, to compare with `earlier`; `displacement` if None.
        common: from `common_drift`: whether the rows move on together, which D at two ages does not show if they do so steadily.
        time_ordered: the rows are ordered by age; the first half of them is `earlier`.
        noise_memory: correlation time of the batches in steps (`Persistent.correlation_time`; an epoch if reshuffled).
        half_step: whether to use D̄; else D itself.
        tolerance: relative, within which temperatures count as one, and displacements as stationary.
        level: two-sided, of every interval.
        seed: of the resampling.

    Returns:
        The temperatures and the verdict.

    Raises:
        ConfigError: a ValueError: numbers that are not finite, a negative displacement, a mean response that is not positive (the
            lag), fewer than 2 usable lags, different numbers of rows, an argument out of its range.

    >>> a, lags = 0.4, np.arange(1, 6)  # one mode, η = 0.3, k = 2, of a Langevin process at T = 0.5
    >>> found = estimate(np.tile(0.5 * (1 - a**lags) / (2 * 0.7), (4, 1)), np.tile((1 - a**lags) / 2, (4, 1)))
    >>> round(found.fit.value, 12), found.verdict.kind, found.lags.tolist()
    (0.5, 'single_temperature', [1, 2, 3, 4])
    """
    _check_options(noise_memory, tolerance, level)
    if common is not None:
        check_has(
            "common", common, "found", "what common_drift(products, mean_square, lag, tolerance) returns"
        )
    moved, shifted = _checked_rows(displacement, response)
    used = half_step_displacement(moved) if half_step else moved
    count = min(used.shape[1], shifted.shape[1])
    if count < 2:
        message = (
            f"{moved.shape[1]} lags of the displacement and {shifted.shape[1]} of the response leave {count} usable; a "
            f"temperature needs 2: take {3 if half_step else 2} lags of the displacement or more"
        )
        raise ConfigError(message)
    shown = _Shown(used[:, :count], shifted[:, :count], level, seed)
    ages = _ages(moved, earlier, later, time_ordered)
    drift = (
        None
        if ages is None
        else displacement_drift(*ages, min(count, ages[0].shape[1], ages[1].shape[1]), tolerance)
    )
    if drift is not None and drift.found:
        return shown.refused(not_stationary(drift, tolerance))
    if common is not None and common.found:
        return shown.refused(moves_on(common, tolerance))
    if not moved.any():
        return shown.still(no_noise(count))
    notes = _notes(drift)
    found = shown.temperatures()
    if count < _MEMORIES * noise_memory:
        return shown.refused(lags_inside_noise_memory(found.short, count, noise_memory, notes), found.short)
    return shown.accepted(found, one_temperature(found, tolerance, count, notes))


class _Shown:
    """Rows of displacement and response with their resamples, and what is shown of them.

    Args:
        displacement: D̄, `(row, lag)`.
        response: χ, of the same shape.
        level: of intervals.
        seed: of the resampling.
    """

    def __init__(self, displacement: Array, response: Array, level: float, seed: int) -> None:
        self._rows, self._level = len(displacement), level
        self._displacement, self._response = displacement.mean(axis=0), response.mean(axis=0)
        weights = row_weights(self._rows, seed)
        self._displacements, self._responses = weights @ displacement, weights @ response
        self._curve, self._curves = (
            _ratio(*parts)
            for parts in (
                (self._displacement, self._response),
                (self._displacements, self._responses),
            )
        )

    def temperatures(self) -> Temperatures:
        """At the first lag, of the fit, at the last lag."""
        fits = [
            (response * moved).sum(axis=-1) / np.square(response).sum(axis=-1)
            for moved, response in (
                (self._displacement, self._response),
                (self._displacements, self._responses),
            )
        ]
        return Temperatures(
            short=self._estimate(self._curve[0], self._curves[:, 0]),
            fit=self._estimate(fits[0], fits[1]),
            long=self._estimate(self._curve[-1], self._curves[:, -1]),
        )

    def accepted(self, found: Temperatures, verdict: Verdict) -> EffectiveTemperature:
        """With all three temperatures."""
        rest = self._displacement - found.fit.value * self._response
        scatter = float(np.square(self._displacement - self._displacement.mean()).sum())
        r_squared = 1 - float(rest @ rest) / scatter if scatter > 0 else np.nan
        return self._with(found.short, found.fit, found.long, r_squared, verdict)

    def refused(self, verdict: Verdict, short: Estimate | None = None) -> EffectiveTemperature:
        """With the temperature at lag 1 at most."""
        return self._with(short, None, None, np.nan, verdict)

    def still(self, verdict: Verdict) -> EffectiveTemperature:
        """Of what does not move: temperature 0."""
        zero = self._estimate(0.0, np.zeros(len(self._curves)))
        return self._with(zero, zero, zero, np.nan, verdict)

    def _with(
        self,
        short: Estimate | None,
        fit: Estimate | None,
        long: Estimate | None,
        r_squared: float,
        verdict: Verdict,
    ) -> EffectiveTemperature:
        return EffectiveTemperature(
            short=short,
            fit=fit,
            long=long,
            r_squared=r_squared,
            lags=np.arange(1, self._curve.size + 1),
            curve=self._curve,
            curve_interval=np.array(
                interval_of_resamples(self._curve, self._curves, self._rows, self._level)
            ),
            displacement=self._displacement,
            response=self._response,
            verdict=verdict,
        )

    def _estimate(self, value: Any, samples: Array) -> Estimate:
        low, high = interval_of_resamples(value, samples, self._rows, self._level)
        return Estimate(
            float(value), (float(low), float(high)), level=self._level, pieces=self._rows, samples=samples
        )


def _ratio(moved: Array, response: Array) -> Array:
    """T(j), NaN where a resampled response is not positive: the response is not known there."""
    found: Array = np.divide(moved, response, out=np.full_like(moved, np.nan), where=response > 0)
    return found


def _ages(
    moved: Array, earlier: npt.ArrayLike | None, later: npt.ArrayLike | None, time_ordered: bool
) -> tuple[Array, Array] | None:
    """Displacements at an earlier and a later age, if there are any to compare."""
    if earlier is None and later is not None:
        message = "later is given without earlier; stationarity compares the two"
        raise ConfigError(message)
    if earlier is not None:
        before = _displacements("earlier", earlier)
        return before, moved if later is None else _displacements("later", later)
    half = len(moved) // 2
    return (moved[:half], moved[half:]) if time_ordered and half else None


def _displacements(name: str, given: npt.ArrayLike) -> Array:
    rows = _rows_of(name, given)
    if rows.shape[1] < 2 or (rows < 0).any():
        message = f"{name} has shape {rows.shape}; it must hold mean-square displacements, 0 or larger, at 2 lags or more"
        raise ConfigError(message)
    return rows


def _notes(drift: Drift | None) -> tuple[str, ...]:
    if drift is None:
        return ("Stationarity was not tested.",)
    if not drift.tested:
        return ("Stationarity was not tested: it takes 4 rows or more at each age.",)
    return ()


def _checked_rows(displacement: npt.ArrayLike, response: npt.ArrayLike) -> tuple[Array, Array]:
    moved, shifted = _rows_of("displacement", displacement), _rows_of("response", response)
    if len(moved) != len(shifted):
        message = (
            f"displacement has {len(moved)} rows, response {len(shifted)}; each row is one independent piece"
        )
        raise ConfigError(message)
    if (moved < 0).any():
        row, place = (int(axis) for axis in np.argwhere(moved < 0)[0])
        message = f"displacement is negative ({moved[row, place]:.4g}) at lag {place + 1} of row {row}; it is half a mean square"
        raise ConfigError(message)
    mean = shifted.mean(axis=0)
    if (mean <= 0).any():
        lag = int(np.flatnonzero(mean <= 0)[0]) + 1
        message = (
            f"the mean response at lag {lag} is {mean[lag - 1]:.4g}, not positive: no ratio is defined there. Take fewer lags, or "
            "more rows if it is lost in noise"
        )
        raise ConfigError(message)
    return moved, shifted


def _rows_of(name: str, given: npt.ArrayLike) -> Array:
    """`(row, lag)` of finite numbers."""
    rows = np.atleast_2d(real_numbers(name, given))
    if rows.ndim != 2 or 0 in rows.shape:
        message = f"{name} has shape {np.shape(given)}; it must be (row, lag), or (lag,) for one row"
        raise ConfigError(message)
    if not np.isfinite(rows).all():
        row, place = (int(axis) for axis in np.argwhere(~np.isfinite(rows))[0])
        message = f"{name} is {rows[row, place]} at lag {place + 1} of row {row}; leave such rows out"
        raise ConfigError(message)
    return rows


def _check_options(noise_memory: float, tolerance: float, level: float) -> None:
    checked_level(level)
    allowed = {
        "noise_memory": (
            noise_memory,
            is_finite_number(noise_memory) and noise_memory >= 0,
            "a number of steps, 0 or larger",
        ),
        "tolerance": (
            tolerance,
            is_finite_number(tolerance) and tolerance > 0,
            "positive, 0.1 for ten per cent",
        ),
    }
    for name, (value, fits, wanted) in allowed.items():
        if not fits:
            message = f"{name} is {value!r}; it must be {wanted}"
            raise ConfigError(message)
