"""What the recorded runs say about perturbing: survival, residual times, relaxation, resampled together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.measured_perturbation import (
    MeasuredPerturbation,
    measured_residuals,
    tested_plateau,
)
from thermograd.advisor.relaxation import relaxation_of_survivors
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    first_passage_times,
    residual_times,
    restricted_mean,
    survival_function,
)
from thermograd.estimators.kaplan_meier import kaplan_meier, mean_with_tail
from thermograd.estimators.silent_passages import none_arrived
from thermograd.numerics.bootstrap import percentile_interval, resampled_counts
from thermograd.quantities import Estimate, Prediction
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.trajectories import Trajectories
from thermograd.theory.first_passage import restart_mean

Array = npt.NDArray[Any]
Recorded = Trajectories | npt.ArrayLike
Recording = tuple[Recorded, int]
"""Runs, and the interval after which they were perturbed."""

NOTHING, RESET = "nothing", "reset"


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
        not_covered: why Eq. 9 does not predict a perturbation, by name; these have no curve.
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
    not_covered: Mapping[str, str] = field(default_factory=dict)

    @property
    def resamples(self) -> int:
        """How many resamples everything here has."""
        return len(np.asarray(self.restricted.samples))

    @cached_property
    def curves(self) -> dict[str, Prediction]:
        """Predicted mean against the interval: "reset" by Eq. 5 where it ever acts, the others by Eq. 9 or 3."""
        restarts = restart_mean(self.survival)
        acts = np.asarray(self.survival.value)[np.asarray(restarts.at)] > 0
        curves = {RESET: replace(restarts, valid=acts)}
        return curves | {name: found.curve(self.survival) for name, found in self.measured.items()}

    def pieces(self, name: str) -> float:
        """How many independent pieces a predicted mean rests on: of runs left alone and perturbed the fewer."""
        found = self.measured.get(name)
        return len(self.passages) if found is None else min(len(self.passages), found.pieces)


def gather_evidence(
    record: PerturbationRecord | Recorded,
    candidates: Mapping[str, Recording | Sequence[Recording]] | None = None,
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
        candidates: with unperturbed runs: `{name: (perturbed, interval)}`, or a list of such pairs.
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
    if hasattr(record, "weighing"):
        message = (
            "this is the watch of one training: thermograd.advise(watch) says whether to cut its learning rate; here a "
            "study or recorded runs are asked for"
        )
        raise ConfigError(message)
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
    candidates: Mapping[str, Recording | Sequence[Recording]],
    target: float,
    direction: str,
    relaxation: float | None,
    resamples: int,
    seed: int,
) -> PerturbationEvidence:
    """Perturbed and unperturbed runs are unrelated, so they are resampled apart."""
    values, times, unit = _table(unperturbed)
    passages = first_passage_times(values, target, direction=direction, times=times, unit=unit)
    measured: dict[str, MeasuredPerturbation] = {}
    spent: dict[str, int] = {}
    for place, (name, given) in enumerate(candidates.items(), start=1):
        alive = {}
        for interval, kicked in _kicked(name, given, target, direction, unit).items():
            if (kicked.time > interval).any():
                alive[interval] = kicked
            else:
                spent.setdefault(name, interval)
        if not alive:
            continue
        means, censored = measured_residuals(alive, resamples, seed)
        interval = max(means or censored)
        left = residual_times(alive[interval], interval)
        # Two candidates of which none arrived are the same data, yet know nothing of each other.
        residual = means[interval] if means else restricted_mean(left, resamples=resamples, seed=seed + place)
        relaxed = relaxation_of_survivors(values, times, passages, interval, relaxation, seed)
        others = {at: passed for at, passed in censored.items() if at != interval}
        measured[name] = MeasuredPerturbation(
            left, residual, interval, *relaxed, means, tested_plateau(means), others
        )
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
        if len(values) and name != RESET and name not in record.not_covered
    }
    weights = _joint_weights(passages, record.survivor, branches, resamples, seed)
    grid = np.arange(passages.horizon + 1)
    steps = kaplan_meier(passages.time, passages.reached, weights)
    survival = replace(survival_function(passages, resamples=0), samples=steps.at(grid))
    restricted = _joint_mean(passages, steps.area(passages.horizon), seed)
    tail = extrapolated_mean(passages, resamples=resamples, seed=seed)
    with_tail = mean_with_tail(
        passages.time, passages.reached, weights, passages.horizon, passages.horizon // 2
    )
    times = np.arange(1, record.interval + 1)
    relaxed = relaxation_of_survivors(record.unperturbed, times, passages, record.interval, relaxation, seed)
    measured = {}
    for place, (name, left) in enumerate(branches.items(), start=1):
        residual = _joint_mean(left, _branch_means(left, weights[:, record.survivor]), seed + place)
        measured[name] = MeasuredPerturbation(left, residual, record.interval, *relaxed)
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
        record.not_covered,
    )


def _kicked(
    name: str, given: Recording | Sequence[Recording], target: float, direction: str, unit: str
) -> dict[int, FirstPassageTimes]:
    """First-passage times of the perturbed runs, by interval, increasing."""
    found: dict[int, FirstPassageTimes] = {}
    for recorded, interval in [given] if isinstance(given, tuple) else given:
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
        if interval in found:
            message = f"candidate {name!r} was given twice at {interval}: join these runs into one array"
            raise ConfigError(message)
        found[int(interval)] = kicked
    if not found:
        message = f"candidate {name!r} has no runs: pass (perturbed, interval), or a list of such pairs"
        raise ConfigError(message)
    return dict(sorted(found.items()))


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


def _joint_mean(passages: FirstPassageTimes, drawn: Array, seed: int) -> Estimate:
    """The restricted mean, its interval the same as without a study, with jointly drawn samples.

    Where none arrived these do not scatter, and it keeps its own.
    """
    own = restricted_mean(passages, resamples=len(drawn), seed=seed)
    silent = none_arrived(passages.time, passages.reached, passages.horizon)
    return own if silent else replace(own, samples=drawn)


def _resampled(estimate: Estimate, samples: Array) -> Estimate:
    low, high = percentile_interval(samples, estimate.level)
    interval = estimate.interval if np.isinf(estimate.value) else (float(low), float(high))
    return replace(estimate, samples=samples, interval=interval)


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
