"""What the recorded runs say about perturbing: survival, residual times, relaxation, resampled together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import CensoredError, ConfigError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    first_passage_times,
    mean_residual_time,
    quasi_steady_state,
    relaxation_time,
    residual_times,
    restricted_mean,
    survival_function,
)
from thermograd.estimators.kaplan_meier import kaplan_meier, mean_with_tail
from thermograd.numerics.bootstrap import percentile_interval, resampled_counts
from thermograd.quantities import Estimate, Prediction, Verdict
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.trajectories import Trajectories
from thermograd.theory.first_passage import perturbed_mean, restart_mean

Array = npt.NDArray[Any]
Recorded = Trajectories | npt.ArrayLike

NOTHING, RESET = "nothing", "reset"


@dataclass(frozen=True, eq=False)
class MeasuredPerturbation:
    """What one perturbation at one time did.

    Attributes:
        passages: times from the perturbation to arrival.
        residual: their mean; the restricted mean, a lower bound, if some never arrived.
        interval: P*, when the runs were perturbed.
        relaxation: from when on the survivors are quasi-steady, 0 if that could not be established.
        relaxed: how that was decided.
    """

    passages: FirstPassageTimes
    residual: Estimate
    interval: int
    relaxation: float
    relaxed: Verdict

    @property
    def optimistic(self) -> bool:
        """Whether the residual time is a lower bound only."""
        return self.passages.censored_fraction > 0


@dataclass(frozen=True, eq=False)
class PerturbationEvidence:
    """Everything `advise` rests on; all `samples` are paired, resample by resample.

    Attributes:
        passages: first-passage times of the unperturbed runs.
        survival: their survival function.
        restricted: their restricted mean, what "nothing" enters with.
        extrapolated: their mean if the tail is exponential.
        measured: the perturbations by name.
        spent: perturbations that could not act, since every run had arrived before, and when.
        target: the value to reach.
        best_seen: the value nearest to the target, or beyond it, in any unperturbed run; NaN if no value of
            any was finite.
        diverged: number of unperturbed runs that ended in infinity without having arrived.
        verified: brute force, per alternative and interval: times of runs really perturbed that often.
    """

    passages: FirstPassageTimes
    survival: Estimate
    restricted: Estimate
    extrapolated: Estimate
    measured: Mapping[str, MeasuredPerturbation]
    spent: Mapping[str, int]
    target: float
    best_seen: float
    diverged: int = 0
    verified: Mapping[str, Mapping[int, FirstPassageTimes]] = field(default_factory=dict)

    @cached_property
    def curves(self) -> dict[str, Prediction]:
        """Predicted mean against the interval: "reset" by Eq. 5 where it ever acts, the others by Eq. 9."""
        restarts = restart_mean(self.survival)
        acts = np.asarray(self.survival.value)[np.asarray(restarts.at)] > 0
        curves = {RESET: replace(restarts, valid=acts)}
        for name, found in self.measured.items():
            curves[name] = perturbed_mean(
                self.survival,
                found.residual,
                relaxation_time=found.relaxation,
                measured_at=found.interval,
            )
        return curves


def gather_evidence(
    record: PerturbationRecord | Recorded,
    candidates: Mapping[str, tuple[Recorded, int]] | None = None,
    *,
    target: float | None = None,
    direction: str = "up",
    relaxation: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> PerturbationEvidence:
    """What `advise` rests on, for figures of the predicted curves; the arguments are those of `advise`.

    Args:
        record: a study, or the unperturbed runs.
        candidates: with unperturbed runs: `{name: (perturbed, interval)}`.
        target: the value to reach; with unperturbed runs only.
        direction: "up" or "down"; with unperturbed runs only.
        relaxation: from when on the survivors are known to be quasi-steady.
        resamples: bootstrap resamples, at least 1.
        seed: seed of all resamples.

    Returns:
        The evidence, all resamples paired.

    Raises:
        ConfigError: no target, one given twice, a name that is taken, or values that cannot be used.

    >>> unperturbed = np.array([[0.1, 0.9, 0.9], [0.1, 0.2, 0.3]])
    >>> gather_evidence(unperturbed, target=0.9).curves["reset"].value.tolist()
    [inf, 4.0, 5.0]
    """
    study = record if isinstance(record, PerturbationRecord) else None
    _check_names(candidates or {} if study is None else study.residual, study)
    if resamples < 1:
        message = f"resamples must be at least 1, the intervals come from them; got {resamples}"
        raise ConfigError(message)
    if study is not None:
        if candidates is not None or target is not None:
            message = "a study has its own target and candidates; pass the record alone"
            raise ConfigError(message)
        return _of_study(study, relaxation, resamples, seed)
    if target is None:
        message = "recorded runs have no target: pass target="
        raise ConfigError(message)
    return _of_logs(record, candidates or {}, target, direction, relaxation, resamples, seed)  # type: ignore[arg-type]  # not a study


def _check_names(names: Iterable[str], study: PerturbationRecord | None) -> None:
    # A study may branch a Reset() to compare with; Eq. 5 rests on every run, so it is Eq. 5 that competes.
    reset = study is not None and study.candidates.get(RESET, "Reset()").startswith("Reset(")
    for name in names:
        if name == NOTHING or (name == RESET and not reset):
            message = (
                f"the name {name!r} is taken: that alternative always competes; call yours something else"
            )
            raise ConfigError(message)


def _of_logs(
    unperturbed: Recorded,
    candidates: Mapping[str, tuple[Recorded, int]],
    target: float,
    direction: str,
    relaxation: float | None,
    resamples: int,
    seed: int,
) -> PerturbationEvidence:
    """Perturbed and unperturbed runs are unrelated, so they are resampled apart."""
    values, times, unit = _table(unperturbed)
    passages = first_passage_times(values, target, direction=direction, times=times, unit=unit)
    measured, spent = {}, {}
    for name, (recorded, interval) in candidates.items():
        table, at, its_unit = _table(recorded)
        if its_unit != unit:
            message = (
                f"candidate {name!r} counts {its_unit}s, the unperturbed runs {unit}s: use the same unit"
            )
            raise ConfigError(message)
        kicked = first_passage_times(table, target, direction=direction, times=at, unit=unit)
        if interval != int(interval) or not 1 <= interval <= kicked.horizon:
            message = f"candidate {name!r}: the interval must be a whole number from 1 to {kicked.horizon}, got {interval}"
            raise ConfigError(message)
        left = residual_times(kicked, int(interval))
        if not len(left):
            spent[name] = int(interval)
            continue
        residual = _mean_or_bound(kicked, int(interval), resamples, seed)
        relaxed = _relaxation(values, times, passages, int(interval), relaxation, seed)
        measured[name] = MeasuredPerturbation(left, residual, int(interval), *relaxed)
    return PerturbationEvidence(
        passages,
        survival_function(passages, resamples=resamples, seed=seed),
        restricted_mean(passages, resamples=resamples, seed=seed),
        extrapolated_mean(passages, resamples=resamples, seed=seed),
        measured,
        spent,
        target,
        _best(values, direction),
        _diverged(values, passages),
    )


def _of_study(
    record: PerturbationRecord, relaxation: float | None, resamples: int, seed: int
) -> PerturbationEvidence:
    """Branches share their survivors, so whole trajectories are resampled, with all that followed."""
    settings: dict[str, Any] = {"direction": record.direction, "unit": record.unit}
    passages = first_passage_times(record.unperturbed, record.target, **settings)
    branches = {
        name: first_passage_times(values, record.target, **settings)
        for name, values in record.residual.items()
        if len(values) and name != RESET
    }
    weights = _joint_weights(passages, record.survivor, branches, resamples, seed)
    grid = np.arange(passages.horizon + 1)
    steps = kaplan_meier(passages.time, passages.reached, weights)
    survival = replace(survival_function(passages, resamples=0), samples=steps.at(grid))
    restricted = _resampled(restricted_mean(passages, resamples=1), steps.area(passages.horizon))
    tail = extrapolated_mean(passages, resamples=resamples, seed=seed)
    with_tail = mean_with_tail(
        passages.time, passages.reached, weights, passages.horizon, passages.horizon // 2
    )
    times = np.arange(1, record.interval + 1)
    relaxed = _relaxation(record.unperturbed, times, passages, record.interval, relaxation, seed)
    measured = {}
    for name, left in branches.items():
        drawn = _branch_means(left, weights[:, record.survivor])
        whole = restricted_mean(left, resamples=1)
        measured[name] = MeasuredPerturbation(left, _resampled(whole, drawn), record.interval, *relaxed)
    return PerturbationEvidence(
        passages,
        survival,
        restricted,
        _resampled(tail, with_tail),
        measured,
        {} if record.survivor.size else dict.fromkeys(record.residual, record.interval),
        record.target,
        _best(record.unperturbed, record.direction),
        _diverged(record.unperturbed, passages),
        {
            name: {
                interval: first_passage_times(values, record.target, **settings)
                for interval, values in sorted(intervals.items())
            }
            for name, intervals in record.verified.items()
        },
    )


def _mean_or_bound(kicked: FirstPassageTimes, interval: int, resamples: int, seed: int) -> Estimate:
    try:
        return mean_residual_time(kicked, interval, resamples=resamples, seed=seed)
    except CensoredError as error:
        bound: Estimate = error.partial["restricted"]
        return bound


def _joint_weights(
    passages: FirstPassageTimes,
    survivor: npt.NDArray[np.int64],
    branches: Mapping[str, FirstPassageTimes],
    resamples: int,
    seed: int,
) -> Array:
    """How often each trajectory is drawn, `(resample, trajectory)`, whatever their order in the record."""
    known = np.full((len(passages), 2 + 2 * len(branches)), -1, np.int64)
    known[:, 0], known[:, 1] = passages.time, passages.reached
    for place, branch in enumerate(branches.values()):
        known[survivor, 2 + 2 * place] = branch.time
        known[survivor, 3 + 2 * place] = branch.reached
    order = np.lexsort(known.T[::-1])
    weights = np.empty((resamples, len(passages)), np.int64)
    weights[:, order] = resampled_counts(np.ones(len(passages), np.int64), resamples, seed)
    return weights


def _branch_means(left: FirstPassageTimes, weights: Array) -> Array:
    any_left: Array = np.asarray(weights.any(axis=1))
    steps = kaplan_meier(left.time, left.reached, np.where(any_left[:, None], weights, 1))
    # A resample without any survivor does not bound the residual time.
    return np.where(any_left, steps.area(left.horizon), np.inf)


def _resampled(estimate: Estimate, samples: Array) -> Estimate:
    low, high = percentile_interval(samples, estimate.level)
    interval = estimate.interval if np.isinf(estimate.value) else (float(low), float(high))
    return replace(estimate, samples=samples, interval=interval)


def _relaxation(
    values: Array, times: Array, passages: FirstPassageTimes, interval: int, known: float | None, seed: int
) -> tuple[float, Verdict]:
    """From when on Eq. 9 may be used: t_r, not before the window it is tested on; 0 if undecided."""
    if known is not None:
        return float(known), Verdict(True, "relaxation_given", f"Relaxation time {known:g}, as given.")
    first = max(int(times[0]), -(-interval // 5))
    inside = times <= interval
    if (
        inside.sum() < 2
        or first >= times[inside][-1]
        or not _seen_under_way(values, times, passages, first, interval)
    ):
        text = f"Too few records up to {interval} to see whether the survivors relax."
        return 0.0, Verdict(None, "relaxation_unknown", text)
    steady = quasi_steady_state(
        values[:, inside], passages, window=(first, int(times[inside][-1])), times=times[inside], seed=seed
    )
    found = relaxation_time(steady)
    if isinstance(found, Verdict):
        return 0.0, found
    since = max(float(found.value), float(first))
    text = (
        f"The survivors are quasi-steady from {found.value:g} ({found.low:g}–{found.high:g}) on, by distance "
        f"to their mean over {first} to {interval}; Eq. 9 is taken to hold from {since:g} on."
    )
    return since, Verdict(True, "quasi_stationary", text, {"relaxation_time": found.value, "since": since})


def _seen_under_way(values: Array, times: Array, passages: FirstPassageTimes, first: int, last: int) -> bool:
    """Whether any run that had not arrived has a finite value from `first` to `last`."""
    window = (times >= first) & (times <= last)
    ahead = passages.time[:, None] - times[window]
    under_way = (ahead > 0) | ((ahead == 0) & ~passages.reached[:, None])
    return bool((under_way & np.isfinite(values[:, window])).any())


def _table(recorded: Recorded) -> tuple[Array, npt.NDArray[np.int64], str]:
    if isinstance(recorded, Trajectories):
        return recorded.values, recorded.times, recorded.unit
    values = np.asarray(recorded)
    return values, np.arange(1, (values.shape[-1] if values.ndim else 0) + 1), "epoch"


def _best(values: Array, direction: str) -> float:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan")
    return float(finite.max() if direction == "up" else finite.min())


def _diverged(values: Array, passages: FirstPassageTimes) -> int:
    """Runs whose last recorded value is infinite; those that had arrived before do not count."""
    recorded = ~np.isnan(values)
    last = values.shape[1] - 1 - np.argmax(recorded[:, ::-1], axis=1)
    return int((np.isinf(values[np.arange(len(values)), last]) & ~passages.reached).sum())
