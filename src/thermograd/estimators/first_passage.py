"""First-passage estimates: survival, mean times with censoring, residual times, relaxation.

A first-passage time counts steps (or epochs) *completed*; the first recorded value has time 1. The paper
(Meir, Keidar, Reuveni, Hirshberg, arXiv 2502.04121) counts from 0: its epoch is our time minus 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import CensoredError, ConfigError
from thermograd.estimators.first_passage_times import (
    FirstPassageTimes,
    first_passage_times,
    residual_times,
)
from thermograd.estimators.kaplan_meier import kaplan_meier, mean_up_to, mean_with_tail
from thermograd.estimators.plateau import Homogeneity, Plateau, plateau_test
from thermograd.estimators.quasi_steady_state import (
    QuasiSteadyState,
    quasi_steady_state,
    relaxation_time,
)
from thermograd.estimators.restarted_times import restarted_times
from thermograd.estimators.silent_passages import none_arrived, silent_mean, silent_samples
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.bootstrap import jackknife_acceleration, percentile_interval, resampled_counts
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate

__all__ = [
    "FirstPassageTimes",
    "Homogeneity",
    "Plateau",
    "QuasiSteadyState",
    "extrapolated_mean",
    "first_passage_times",
    "mean_first_passage_time",
    "mean_residual_time",
    "plateau_test",
    "quasi_steady_state",
    "relaxation_time",
    "residual_times",
    "restarted_times",
    "restricted_mean",
    "survival_function",
]

Array = npt.NDArray[Any]

_LARGEST_TABLE = 2 * 10**8
_LARGEST_JACKKNIFE = 1000


def survival_function(
    passages: FirstPassageTimes, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Psi(t) = Pr(T > t) on t = 0, 1, ..., horizon; the index is the time.

    Kaplan-Meier, with the pointwise Clopper-Pearson band of n Psi survivors among n, where
    n = Psi (1 - Psi) / (Greenwood variance), or the number at risk while Psi is 1 (its last value once Psi
    is 0). With one common horizon this is the exact binomial band, right also at 0 and 1.

    Args:
        passages: first-passage times of the unperturbed runs.
        level: two-sided confidence of the pointwise band.
        resamples: bootstrap resamples over trajectories kept as `samples`, `(resamples, horizon + 1)`; 0 for
            none. The band does not need them.
        seed: seed of the resamples. The same passages and seed give the same draws in every estimate of
            this module, so they can be paired.

    Returns:
        The curve; `pieces` is the number of trajectories.

    Raises:
        ConfigError: no trajectory, a level outside (0, 1), or more than 2e8 resampled values.

    >>> passages = FirstPassageTimes([1, 2, 2, 4], [True, True, True, False], horizon=4)
    >>> survival_function(passages, resamples=0).value.tolist()
    [1.0, 0.75, 0.25, 0.25, 0.25]
    """
    check_has("passages", passages, "horizon", "what first_passage_times(values, target) returns")
    grid = np.arange(passages.horizon + 1)
    _check(passages, level, resamples, least=0, table=grid.size)
    time, reached, counts = passages.outcomes()
    steps = kaplan_meier(time, reached, counts)
    samples = None
    if resamples:
        samples = kaplan_meier(time, reached, _resampled(time, reached, counts, resamples, seed)).at(grid)
    return Estimate(
        steps.at(grid), steps.band(grid, level), level=level, pieces=len(passages), samples=samples
    )


def restricted_mean(
    passages: FirstPassageTimes,
    *,
    horizon: int | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """E[min(T, horizon)] = sum of Psi(t) over t = 0 ... horizon - 1: a mean that censoring cannot spoil.

    A lower bound of the mean first-passage time, equal to it if every trajectory arrives in time. If none arrives, resampling shows
    no scatter, and the lower end is that of a chance that would leave n trajectories without arrival once in 2 / (1 − level):
    horizon ((1 − level) / 2)^(1/n). The samples are then draws with these quantiles (`silent_samples`).

    Args:
        passages: first-passage times.
        horizon: where to stop; default the horizon of the passages.
        level: two-sided confidence of the bootstrap interval, see `percentile_interval`.
        resamples: bootstrap resamples over trajectories, at least 1.
        seed: seed of the resamples.

    Returns:
        The mean in the unit of the passages.

    Raises:
        ConfigError: the horizon is beyond that of the passages, or the arguments of the bootstrap are wrong.

    >>> passages = FirstPassageTimes([1, 2, 2, 4], [True, True, True, False], horizon=4)
    >>> float(restricted_mean(passages, horizon=3).value)
    2.0
    >>> print(restricted_mean(FirstPassageTimes([33] * 8, [False] * 8, horizon=33)).interval)
    (20.80..., 33.0)
    """
    end = _horizon(passages, horizon)
    _check(passages, level, resamples)
    time, reached, counts = passages.outcomes()
    mean = partial(mean_up_to, time, reached, horizon=end)
    value, note = float(mean(counts)), f"mean of min(T, {end})" if passages.censored_fraction > 0 else ""
    if none_arrived(time, reached, end):
        ends = np.minimum(time, end)
        interval = (float(silent_mean(ends, counts, (1 - level) / 2)), value)
        samples = silent_samples(ends, counts, value, level=level, resamples=resamples, seed=seed)
        note += f"{'; ' if note else ''}none arrived before {end}"
    else:
        samples = mean(_resampled(time, reached, counts, resamples, seed))
        interval = _scalar_interval(samples, level, mean, counts)
    return Estimate(
        value, interval, level=level, pieces=len(passages), unit=passages.unit, note=note, samples=samples
    )


def extrapolated_mean(
    passages: FirstPassageTimes,
    *,
    tail_start: int | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean first-passage time if the hazard stays constant beyond the horizon L.

    E[T] = sum of Psi(t) over t < L, plus Psi(L) / q, with the hazard q = arrivals after t0 / exposure,
    exposure = sum over trajectories of max(0, min(T, C) - t0), t0 = `tail_start`. Without an arrival in the
    tail the value is infinite, and the lower end is the restricted mean + Psi(L) exposure / ln(1 / alpha).
    Invalid if the tail is not exponential; `note` gives the values for t0 at 1/4, 1/2 and 3/4 of the
    horizon, and says so when they disagree.

    Args:
        passages: first-passage times.
        tail_start: t0, from 0 to horizon - 1; default half of the horizon.
        level: two-sided confidence of the bootstrap interval, see `percentile_interval`.
        resamples: bootstrap resamples over trajectories, at least 1.
        seed: seed of the resamples.

    Returns:
        The mean in the unit of the passages, possibly infinite.

    Raises:
        ConfigError: `tail_start` is not inside the record, or the arguments of the bootstrap are wrong.

    >>> passages = FirstPassageTimes([1, 2, 3, 3], [True, True, True, False], horizon=3)
    >>> float(extrapolated_mean(passages, tail_start=0).value)  # 2.25 + 0.25 * 9 / 3
    3.0
    """
    check_has("passages", passages, "horizon", "what first_passage_times(values, target) returns")
    start = passages.horizon // 2 if tail_start is None else tail_start
    if not is_finite_number(start) or not 0 <= start < max(passages.horizon, 1) or start != int(start):
        message = f"tail_start must be from 0 to {passages.horizon - 1} (inside the record), got {start}"
        raise ConfigError(message)
    _check(passages, level, resamples)
    time, reached, counts = passages.outcomes()
    mean = partial(mean_with_tail, time, reached, horizon=passages.horizon, tail_start=start)
    value = float(mean(counts))
    samples = mean(_resampled(time, reached, counts, resamples, seed))
    low, high = _scalar_interval(samples, level, mean, counts)
    if np.isinf(value):
        steps = kaplan_meier(time, reached, counts)
        exposure = np.maximum(time - start, 0) @ counts
        low = float(
            steps.area(passages.horizon) + steps.survival[-1] * exposure / np.log(1.0 / (1.0 - level))
        )
        high = float("inf")
    return Estimate(
        value,
        (low, high),
        level=level,
        pieces=len(passages),
        unit=passages.unit,
        note=_tail_note(passages, start, (low, high)),
        samples=samples,
    )


def mean_first_passage_time(
    passages: FirstPassageTimes, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """E[T], which these data define only if every trajectory arrived.

    Args:
        passages: first-passage times.
        level: two-sided confidence of the bootstrap interval, see `percentile_interval`.
        resamples: bootstrap resamples over trajectories, at least 1.
        seed: seed of the resamples.

    Returns:
        The sample mean, in the unit of the passages.

    Raises:
        CensoredError: some trajectory never arrived; its `partial` holds "restricted" and "extrapolated"
            (`Estimate`) and "censored_fraction".
        ConfigError: no trajectory, or wrong arguments of the bootstrap.

    >>> float(mean_first_passage_time(FirstPassageTimes([3, 5], [True, True], horizon=9)).value)
    4.0
    """
    check_has("passages", passages, "horizon", "what first_passage_times(values, target) returns")
    if len(passages) and not passages.reached.all():
        missing = len(passages) - int(passages.reached.sum())
        message = (
            f"{missing} of {len(passages)} trajectories never arrived within {passages.horizon} "
            f"{passages.unit}s, so the mean first-passage time is not defined by these data. Use "
            f"restricted_mean(horizon={passages.horizon}) or extrapolated_mean, or choose an easier target."
        )
        raise CensoredError(message, _partial(passages, level, resamples, seed))
    end = int(passages.time.max()) if len(passages) else 0
    whole = FirstPassageTimes(passages.time, passages.reached, max(passages.horizon, end), passages.unit)
    return restricted_mean(whole, level=level, resamples=resamples, seed=seed)


def mean_residual_time(
    perturbed: FirstPassageTimes,
    interval: int,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean time still to go after a perturbation at `interval`, of the runs that had not arrived by then.

    E[T - P | T > P] under perturbation at P: the τ̄ of Eqs 3 and 9 of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121).

    Args:
        perturbed: first-passage times of perturbed runs, counted from their start.
        interval: P, when they were (first) perturbed.
        level: two-sided confidence of the bootstrap interval, see `percentile_interval`.
        resamples: bootstrap resamples over the runs alive at P, at least 1.
        seed: seed of the resamples.

    Returns:
        The mean; `pieces` is the number of runs that were alive at the interval.

    Raises:
        CensoredError: some of these runs never arrived; `partial` as for `mean_first_passage_time`.
        ConfigError: no run was alive at the interval (a `ValueError`), or it is beyond the horizon.

    >>> perturbed = FirstPassageTimes([3, 12, 14], [True, True, True], horizon=20)
    >>> estimate = mean_residual_time(perturbed, 10)
    >>> float(estimate.value), estimate.pieces
    (3.0, 2)
    """
    residual = residual_times(perturbed, interval)
    if not len(residual):
        message = (
            f"every one of the {len(perturbed)} runs had arrived by {interval}, so nothing was perturbed; "
            "choose an earlier interval or a harder target"
        )
        raise ConfigError(message)
    return mean_first_passage_time(residual, level=level, resamples=resamples, seed=seed)


def _tail_note(passages: FirstPassageTimes, start: int, interval: tuple[float, float]) -> str:
    if not passages.censored_fraction:
        return ""
    time, reached, counts = passages.outcomes()
    arrivals = int(counts @ (reached & (time > start)))
    starts = sorted({passages.horizon * quarter // 4 for quarter in (1, 2, 3)})
    values = [float(mean_with_tail(time, reached, counts, passages.horizon, begin)) for begin in starts]
    listed = ", ".join(f"{value:.4g} from {begin}" for value, begin in zip(values, starts, strict=True))
    apart = [v for v in values if np.isfinite(v) and not interval[0] <= v <= interval[1]]
    doubt = "; they disagree: the tail is not exponential" if apart else ""
    return f"{arrivals} arrivals in the tail from {start}; by tail start: {listed}{doubt}"


def _partial(passages: FirstPassageTimes, level: float, resamples: int, seed: int) -> dict[str, Any]:
    return {
        "restricted": restricted_mean(passages, level=level, resamples=resamples, seed=seed),
        "extrapolated": extrapolated_mean(passages, level=level, resamples=resamples, seed=seed),
        "censored_fraction": passages.censored_fraction,
    }


def _scalar_interval(
    samples: Array, level: float, mean: Callable[[Array], Array], counts: Array
) -> tuple[float, float]:
    pieces, outcomes = int(counts.sum()), counts.size
    acceleration = 0.0
    # With more outcomes there are more pieces still: the table would be large and the acceleration is small.
    if 1 < pieces and outcomes <= _LARGEST_JACKKNIFE:
        acceleration = jackknife_acceleration(mean(counts - np.eye(outcomes, dtype=np.int64)), counts)
    low, high = percentile_interval(samples, level, pieces=pieces, acceleration=acceleration)
    return float(low), float(high)


def _resampled(
    time: Array, reached: Array, counts: Array, resamples: int, seed: int
) -> npt.NDArray[np.int64]:
    return resampled_counts(counts, resamples, seed, outcomes=(time, reached))


def _horizon(passages: FirstPassageTimes, horizon: int | None) -> int:
    check_has("passages", passages, "horizon", "what first_passage_times(values, target) returns")
    end = passages.horizon if horizon is None else horizon
    if not is_finite_number(end) or not 0 < end <= passages.horizon or end != int(end):
        message = f"horizon must be a whole number from 1 to {passages.horizon}, as far as the runs were seen; got {end}"
        raise ConfigError(message)
    return int(end)


def _check(
    passages: FirstPassageTimes, level: float, resamples: int, *, least: int = 1, table: int = 0
) -> None:
    if not len(passages):
        message = "there is no trajectory to estimate from; at least one is needed"
        raise ConfigError(message)
    checked_level(level)
    check_whole_number("resamples", resamples, least, error=ConfigError)
    if resamples * table > _LARGEST_TABLE:
        message = (
            f"{resamples * table:.2g} resampled values would be kept; count time in epochs instead of steps, or pass "
            "a smaller resamples (0: the band needs none)"
        )
        raise ConfigError(message)
