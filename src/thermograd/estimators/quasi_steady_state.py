"""Whether the survivors' values have stopped drifting, and since when: the relaxation time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.bootstrap import percentile_interval, resampled_counts
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.numerics.whole_numbers import whole_numbers
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]

_QUANTILES = 257
_CRAMER_VON_MISES_5_PERCENT = 0.461
_LEVEL = 0.9


@dataclass(frozen=True, eq=False)
class QuasiSteadyState:
    """How far the distribution of survivors' values is, at each time, from its mean over a window.

    F_t is the distribution function of the value over the trajectories with T > t, and F the arithmetic mean
    of F_t over the window.

    Attributes:
        time: `(time,)` times of the record.
        survivors: `(time,)` number N(t) of trajectories F_t rests on.
        kolmogorov_smirnov: `(time,)` D(t) = sup |F_t - F|; NaN where nobody survives.
        cramer_von_mises: `(time,)` integral of (F_t - F)^2 dF (S12 of the paper, see `quasi_steady_state`).
        noise_floor: `(time,)` what N(t) samples of F itself would give for it: integral of F (1 - F) dF / N(t).
        distance: square root of `cramer_von_mises` less `noise_floor`: `Estimate` with a 90 % band. 0.1 is about a
            shift by a third of the spread.
        window: first and last time of the window, both included.
        profile: `(time, quantile)` F_t - F at the 257 quantiles of F.
        resampled: per bootstrap resample `(resample, time)`: "survivors", "kolmogorov_smirnov",
            "cramer_von_mises" and "distance".

    >>> from thermograd.estimators.first_passage import first_passage_times
    >>> early = np.where(np.arange(20) < 4, 3.0, 0.0)  # values are higher up to time 4
    >>> values = np.random.default_rng(0).normal(size=(100, 20)) + early
    >>> nobody_arrives = first_passage_times(values, target=99.0)
    >>> found = quasi_steady_state(values, nobody_arrives, window=(5, 20), resamples=20)
    >>> bool(found.distance.value[:4].min() > 0.4), bool(found.distance.value[4:].max() < 0.2)
    (True, True)
    >>> found.survivors[-1], found.deviation([0.1, 0.5]).shape
    (np.int64(100), (20, 2))
    """

    time: npt.NDArray[np.int64]
    survivors: npt.NDArray[np.int64]
    kolmogorov_smirnov: Array
    cramer_von_mises: Array
    noise_floor: Array
    distance: Estimate
    window: tuple[int, int]
    profile: Array
    resampled: dict[str, Array]

    @cached_property
    def p_value(self) -> Array:
        """`(time,)` p-value of `kolmogorov_smirnov` by the exact one-sample law for N(t) survivors.

        As the paper does, it takes F as known and the times as independent. It depends on the number of
        runs: with enough of them any drift is rejected.
        """
        from scipy.stats import kstwo  # here, because it takes a second to load

        there = self.survivors > 0
        law = np.full(self.time.size, np.nan)
        law[there] = kstwo.sf(self.kolmogorov_smirnov[there], self.survivors[there])
        return law

    @cached_property
    def rejected_fraction(self) -> float:
        """Share of the window's times with p <= 0.05."""
        first, last = self.window
        inside = (self.time >= first) & (self.time <= last) & (self.survivors > 0)
        return float((self.p_value[inside] <= 0.05).mean())

    def deviation(self, quantile: npt.ArrayLike) -> Array:
        """F_t - F at quantiles of F, `(time, *quantile.shape)`: where in the distribution the drift is."""
        wanted = real_numbers("quantile", quantile)
        levels = np.arange(1, _QUANTILES + 1) / _QUANTILES
        rows = [np.interp(wanted, levels, row) for row in self.profile]
        return np.stack(rows)

    def __str__(self) -> str:
        first, last = self.window
        return (
            f"quasi-steady state against times {first} to {last}, {self.survivors[-1]} survivors at the end"
        )


def quasi_steady_state(
    values: npt.ArrayLike,
    passages: FirstPassageTimes,
    *,
    window: tuple[int, int] | None = None,
    times: npt.ArrayLike | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> QuasiSteadyState:
    """Distance of the survivors' value distribution from its mean over a window, at each time.

    D(t) and CM(t) are those of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121, equation S12); distance and noise
    floor are ours. The bootstrap resamples trajectories, on histograms at 257 quantiles of the mean distribution; the noise
    floor counts twice inside a resample, which carries the noise of the data and that of the drawing.

    Args:
        values: recorded values `(trajectory, time)`; NaN where not evaluated, anything after arrival.
        passages: first-passage times of the same trajectories.
        window: first and last time, both included, over which F is the mean; default the last four fifths
            of the record.
        times: `(time,)` the times of the columns; default 1, 2, ...
        resamples: bootstrap resamples, at least 1.
        seed: seed of the resamples.

    Returns:
        The curves over time.

    Raises:
        ConfigError: shapes do not fit, or nobody survives in the window.

    >>> from thermograd.estimators.first_passage import first_passage_times
    >>> values = np.random.default_rng(0).normal(size=(200, 50))
    >>> steady = quasi_steady_state(values, first_passage_times(values, 9.0), resamples=20)
    >>> int(relaxation_time(steady).value)
    1
    """
    table = real_numbers("values", values)
    check_has("passages", passages, "reached", "what first_passage_times(values, target) returns")
    columns = table.shape[-1] if table.ndim else 0
    time = np.arange(1, columns + 1) if times is None else whole_numbers("times", times)
    if table.ndim != 2 or 0 in table.shape or len(table) != len(passages) or time.shape != table.shape[1:]:
        message = (
            f"values {table.shape} must be (trajectory, time) of the same {len(passages)} trajectories as "
            f"the passages, with one time per column; got {time.shape} times"
        )
        raise ConfigError(message)
    check_whole_number("resamples", resamples, 1, error=ConfigError)
    still = passages.time[:, None] > time
    under_way = (still | ((passages.time[:, None] == time) & ~passages.reached[:, None])) & np.isfinite(table)
    survivors = under_way.sum(axis=0)
    first, last = _window(window, time)
    chosen = (time >= first) & (time <= last) & (survivors > 0)
    if not chosen.any():
        message = f"no trajectory is still under way between times {first} and {last}: choose another window"
        raise ConfigError(message)
    mean = _MeanDistribution.over([table[under_way[:, c], c] for c in np.flatnonzero(chosen)])
    maximum, mean_square = mean.compare([table[under_way[:, c], c] for c in range(time.size)])
    floor = mean.noise / np.maximum(survivors, 1)
    profile, resampled = _resample(table, under_way, mean.quantiles(), chosen, resamples, seed)
    distance = np.sqrt(np.maximum(mean_square - floor, 0.0))
    return QuasiSteadyState(
        time,
        survivors,
        maximum,
        mean_square,
        np.where(survivors > 0, floor, np.nan),
        Estimate(
            distance,
            percentile_interval(resampled["distance"], _LEVEL),
            level=_LEVEL,
            pieces=len(table),
            samples=resampled["distance"],
        ),
        (first, last),
        profile,
        resampled,
    )


def relaxation_time(
    steady: QuasiSteadyState,
    *,
    criterion: str = "distance",
    tolerance: float = 0.1,
    significance: float = 0.05,
) -> Estimate | Verdict:
    """First time from which the survivors' distribution is that of the window.

    "distance": first time with distance <= `tolerance` from which on at least 90 % of the times up to the
    window's end have it too, with at least a quarter of the window left. "kolmogorov_smirnov" (Meir et al.):
    first time with p > `significance`. "cramer_von_mises": first time with CM(t) N(t) < 0.461, its 5 %
    point. The last two depend on the number of runs; see `QuasiSteadyState.p_value`.

    Args:
        steady: curves of `quasi_steady_state`.
        criterion: which of the three.
        tolerance: for "distance", in units of a distribution function.
        significance: for "kolmogorov_smirnov".

    Returns:
        The time with its 90 % bootstrap interval; or a `Verdict`: False, "not_quasi_stationary", if there is no such
        time; None, "relaxation_unknown", if there is none in more than 5 % of the resamples, as with fewer than 50
        survivors or so; then `evidence["value"]` holds the time.

    Raises:
        ConfigError: unknown criterion.

    >>> from thermograd.estimators.first_passage import first_passage_times
    >>> values = np.random.default_rng(0).normal(size=(100, 40)) - 3 * np.exp(-np.arange(40) / 3)
    >>> steady = quasi_steady_state(values, first_passage_times(values, 9.0), resamples=20)
    >>> 5 <= relaxation_time(steady).value <= 9
    True
    """
    check_has("steady", steady, "resampled", "what quasi_steady_state(values, passages) returns")
    check_number("tolerance", tolerance)
    check_number("significance", significance)
    drawn, resampled = steady.resampled, steady.resampled["distance"]
    if criterion == "distance":
        value = _settled(steady, np.asarray(steady.distance.value) <= tolerance)
        samples = np.array([_settled(steady, row <= tolerance) for row in resampled])
    elif criterion == "kolmogorov_smirnov":
        value = _first(steady, steady.p_value > significance)
        # As for the floor of the distance: a resample has the noise of half as many trajectories.
        critical = _critical_deviation(drawn["survivors"], significance)
        samples = np.array([_first(steady, row) for row in drawn["kolmogorov_smirnov"] < critical])
    elif criterion == "cramer_von_mises":
        with np.errstate(invalid="ignore"):
            accepted = steady.cramer_von_mises * steady.survivors < _CRAMER_VON_MISES_5_PERCENT
            half = drawn["cramer_von_mises"] * drawn["survivors"] / 2 < _CRAMER_VON_MISES_5_PERCENT
        value = _first(steady, accepted & (steady.survivors > 0))
        samples = np.array([_first(steady, row) for row in half & (drawn["survivors"] > 0)])
    else:
        message = (
            f"criterion must be 'distance', 'kolmogorov_smirnov' or 'cramer_von_mises', got {criterion!r}"
        )
        raise ConfigError(message)
    never = float(np.isinf(samples).mean())
    if np.isinf(value) or never > 0.05:
        return _not_stationary(steady, criterion, value, never)
    low, high = percentile_interval(samples, _LEVEL)
    return Estimate(
        value,
        # The first time a test passes comes early in a resample; the interval must not exclude the data's own.
        (min(float(low), value), max(float(high), value)),
        level=_LEVEL,
        pieces=float(steady.survivors.max()),
        note=f"by {criterion}, window {steady.window[0]} to {steady.window[1]}",
        samples=samples,
    )


@dataclass(frozen=True, eq=False)
class _MeanDistribution:
    """F as a step function: its jump points, its value there, and the running integral of F dF."""

    points: Array
    value: Array
    first_moment: Array
    second_moment: float
    noise: float

    @classmethod
    def over(cls, columns: list[Array]) -> _MeanDistribution:
        pooled = np.concatenate(columns)
        weight = np.concatenate([np.full(c.size, 1.0 / (c.size * len(columns))) for c in columns])
        points, place = np.unique(pooled, return_inverse=True)
        jump = np.bincount(place, weights=weight)
        value = np.cumsum(jump)
        return cls(
            points,
            value,
            np.cumsum(value * jump),
            float(np.sum(value**2 * jump)),
            float(np.sum(value * (1.0 - value) * jump)),
        )

    def compare(self, columns: list[Array]) -> tuple[Array, Array]:
        """D and CM of each column: sup |F_t - F| and the Stieltjes sum of (F_t - F)^2 over jumps of F.

        F_t only changes at its own values, so both need F and the integrals of dF and F dF there alone: the
        cost is that of sorting, not columns times jumps.
        """
        maximum, mean_square = np.full(len(columns), np.nan), np.full(len(columns), np.nan)
        height, moment = np.append(0.0, self.value), np.append(0.0, self.first_moment)
        for place, column in enumerate(columns):
            if not column.size:
                continue
            own, count = np.unique(column, return_counts=True)
            after = np.cumsum(count) / column.size
            before = after - count / column.size
            up_to = np.searchsorted(self.points, own, side="right")
            below = np.searchsorted(self.points, own, side="left")
            maximum[place] = max(np.abs(after - height[up_to]).max(), np.abs(before - height[below]).max())
            total = np.diff(np.append(height[below], height[-1]))
            cross = np.diff(np.append(moment[below], moment[-1]))
            mean_square[place] = np.sum(after**2 * total - 2.0 * after * cross) + self.second_moment
        return maximum, mean_square

    def quantiles(self) -> Array:
        """The values at which F first reaches 1/257, 2/257, ..., 1."""
        levels = np.arange(1, _QUANTILES + 1) / _QUANTILES
        place = np.searchsorted(self.value, levels - 1e-12)
        return self.points[np.minimum(place, self.points.size - 1)]


def _resample(
    table: Array, under_way: Array, edges: Array, chosen: Array, resamples: int, seed: int
) -> tuple[Array, dict[str, Array]]:
    """F_t - F of the data on the grid, and the statistics of each resample of trajectories."""
    columns, bins = table.shape[1], edges.size + 1
    row, column = np.nonzero(under_way)
    cell = column * bins + np.searchsorted(edges, table[row, column])

    def histogram(weight: Array) -> Array:
        return np.bincount(cell, weights=weight, minlength=columns * bins).reshape(columns, bins)

    weights = resampled_counts(np.ones(len(table), np.int64), resamples, seed).astype(float)
    names = ("survivors", "kolmogorov_smirnov", "cramer_von_mises", "distance")
    found = {name: np.empty((resamples, columns)) for name in names}
    for draw in range(resamples):
        survivors, deviation, square, floor = _on_grid(histogram(weights[draw][row]), chosen)
        found["survivors"][draw] = survivors
        found["kolmogorov_smirnov"][draw] = np.abs(deviation).max(axis=1)
        found["cramer_von_mises"][draw] = square
        found["distance"][draw] = np.sqrt(np.maximum(square - 2.0 * floor, 0.0))
    return _on_grid(histogram(np.ones(row.size)), chosen)[1][:, :-1], found


def _on_grid(histogram: Array, chosen: Array) -> tuple[Array, Array, Array, Array]:
    """N(t), F_t - F, its mean square and the noise floor, from counts `(time, bin)`."""
    survivors = histogram.sum(axis=1)
    share = np.where(survivors > 0, 1.0 / np.maximum(survivors, 1.0), 0.0)
    distribution = np.cumsum(histogram, axis=1) * share[:, None]
    alive = chosen & (survivors > 0)
    mean = distribution[alive].mean(axis=0) if alive.any() else np.zeros(histogram.shape[1])
    jump = np.diff(mean, prepend=0.0)
    deviation = distribution - mean
    return survivors, deviation, deviation**2 @ jump, (mean * (1.0 - mean)) @ jump * share


def _window(window: tuple[int, int] | None, time: Array) -> tuple[int, int]:
    if window is None:
        return int(time[time.size // 5]), int(time[-1])
    pair = tuple(window) if isinstance(window, tuple | list) and len(window) == 2 else (math.nan, math.nan)
    first, last = pair if all(map(is_finite_number, pair)) else (math.nan, math.nan)
    if not time[0] <= first < last <= time[-1]:
        message = f"window must be two increasing times within {time[0]} to {time[-1]}, got {window}"
        raise ConfigError(message)
    return int(first), int(last)


def _settled(steady: QuasiSteadyState, near: Array) -> float:
    """First near time after which 90 % of the times in the window are near, a quarter of it being left."""
    first, last = steady.window
    upto = steady.time <= last
    near, time = near[upto], steady.time[upto]
    share = np.cumsum(near[::-1])[::-1] / np.arange(near.size, 0, -1)
    room = last - time + 1 >= (last - first + 1) / 4
    found = np.flatnonzero(near & (share >= 0.9) & room)
    return float(time[found[0]]) if found.size else float("inf")


def _first(steady: QuasiSteadyState, accepted: Array) -> float:
    found = np.flatnonzero(accepted)
    return float(steady.time[found[0]]) if found.size else float("inf")


def _critical_deviation(survivors: Array, significance: float) -> Array:
    from scipy.stats import kstwo  # here, because it takes a second to load

    sizes, place = np.unique(np.maximum(survivors // 2, 1).astype(np.int64), return_inverse=True)
    return np.where(
        survivors > 0, np.asarray(kstwo.isf(significance, sizes))[place].reshape(survivors.shape), -1.0
    )


def _not_stationary(steady: QuasiSteadyState, criterion: str, value: float, never: float) -> Verdict:
    first, last = steady.window
    by = criterion.replace("_", " ")
    evidence = {"criterion": criterion, "never_in_resamples": never, "window": (first, last)}
    if np.isinf(value):
        text = (
            f"Not robustly quasi-stationary by {by}: the values of the runs that have not arrived keep drifting between "
            f"{first} and {last}; they never settle."
        )
        return Verdict(False, "not_quasi_stationary", text, evidence)
    text = (
        f"Cannot tell whether the runs that have not arrived are quasi-stationary by {by}: they settle at {value:g} in these "
        f"data, but in {100 * never:.3g} % of the resamples never between {first} and {last}; more runs would tell."
    )
    return Verdict(None, "relaxation_unknown", text, evidence | {"value": value})
