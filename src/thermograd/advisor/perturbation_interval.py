"""Advice on perturbing: whether, with what, and how often - "nothing" and "reset" always compete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.brute_force import brute_force_verdicts
from thermograd.advisor.perturbation_evidence import (
    NOTHING,
    RESET,
    MeasuredPerturbation,
    PerturbationEvidence,
    Recorded,
    gather_evidence,
)
from thermograd.advisor.speed_up import SpeedUp, speed_up, speed_up_of
from thermograd.advisor.wording import number, with_interval
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Advice, Estimate, Prediction, Verdict
from thermograd.store.perturbation_record import PerturbationRecord

__all__ = ["Candidate", "SpeedUp", "advise", "advise_on", "speed_up"]

Array = npt.NDArray[Any]

_DECIDED = 0.95


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to train on, and the mean first-passage time it is predicted to have.

    Attributes:
        name: the perturbation; "nothing" leaves training alone, "reset" restarts it from scratch.
        interval: the best interval within the valid range; None for "nothing", or if there is none.
        predicted_mean: mean first-passage time at that interval. For "nothing" the restricted mean, which
            favours it; infinite without an interval.
        mean_residual_time: after one perturbation; None for "nothing" and "reset", which need none.
        speed_up: over training unperturbed; None for "nothing".
        probability_of_being_best: share of the joint resamples in which its mean is the smallest.
        usable_interval: the best interval of the wider range P >= mean residual time, where the prediction
            is a bet worth one test.
        usable_mean: the predicted mean there.
    """

    name: str
    interval: int | None
    predicted_mean: Estimate
    mean_residual_time: Estimate | None
    speed_up: SpeedUp | None
    probability_of_being_best: float
    usable_interval: int | None
    usable_mean: Estimate | None

    def __str__(self) -> str:
        unit = self.predicted_mean.unit
        how = f"{self.name} every {self.interval} {unit}s" if self.interval else self.name
        best = f"best in {100 * self.probability_of_being_best:.3g} % of resamples"
        if not np.isfinite(self.predicted_mean.value):
            return f"{how}: no interval at which it would arrive ({best})"
        gain = f"; speed-up {self.speed_up}" if self.speed_up else ""
        note = f", {self.predicted_mean.note}" if self.predicted_mean.note else ""
        return f"{how}: {with_interval(self.predicted_mean)} {unit}s{note} ({best}{gain})"


def advise(
    record: PerturbationRecord | Recorded,
    candidates: Mapping[str, tuple[Recorded, int]] | None = None,
    *,
    target: float | None = None,
    direction: str = "up",
    relaxation: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Advice:
    """Which perturbation, how often, and whether at all, ranked by predicted mean first-passage time.

    A candidate perturbed once at P* has, by Eq. 9 of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121),
    E[T_P] = sum of Psi(t) over t < P, plus Psi(P) tau; it competes at the best P of its valid range
    max(relaxation time, tau) <= P <= P*. "reset" competes by Eq. 5, "nothing" by its restricted mean.
    Recommended is what beats "nothing" in 95 % of the joint resamples at the chosen interval, its mean
    raised there by the optimism of having chosen (Efron 1983).

    Args:
        record: a study; or the unperturbed runs `(trajectory, time)`, an array or `Trajectories`.
        candidates: with unperturbed runs: `{name: (perturbed, interval)}`, full runs from their start that
            were (first) perturbed after `interval` units.
        target: the value to reach; with unperturbed runs only, a study has its own.
        direction: "up" or "down"; with unperturbed runs only.
        relaxation: from when on the survivors are known to be quasi-steady; default: by distance, on the
            times up to P*, window from P*/5 to P*, and not before that window begins. Where they are not,
            or only beyond P*, the range is tau <= P <= P*.
        resamples: bootstrap resamples, at least 1.
        seed: seed of all resamples.

    Returns:
        The recommendation, the ranking of `Candidate`, what was decided on the way, and caveats.

    Raises:
        ConfigError: no target, one given twice, a name that is taken, or values that cannot be used.

    >>> unperturbed = np.where(np.arange(40) % 4 < 2, 1.0, 0.0)[:, None] * (np.arange(1, 31) >= 5)
    >>> print(advise(unperturbed, target=1.0).recommendation)
    Restart from scratch about every 5 epochs: expected 10 (7.69–14.3) epochs instead of at least 17.5 (13.8–21.2).
    """
    return advise_on(
        gather_evidence(
            record,
            candidates,
            target=target,
            direction=direction,
            relaxation=relaxation,
            resamples=resamples,
            seed=seed,
        )
    )


def advise_on(evidence: PerturbationEvidence) -> Advice:
    """`advise` on evidence that is already gathered.

    Args:
        evidence: from `gather_evidence`.

    Returns:
        The advice.
    """
    chosen = _choices(evidence)
    ranking = _ranking(chosen, evidence)
    verdicts = [*_verdicts(evidence), *_worth_one_test(ranking), *brute_force_verdicts(evidence)]
    return Advice(
        _recommendation(ranking, chosen, evidence),
        tuple(ranking),
        tuple(verdicts),
        tuple(_caveats(ranking, chosen, evidence)),
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    """The best interval of a curve; `optimism` is by how much being the best of many flatters its mean."""

    interval: int | None
    mean: Estimate
    optimism: float = 0.0


def _choices(evidence: PerturbationEvidence) -> dict[str, tuple[_Choice, _Choice | None]]:
    """Per alternative the best point of its valid range, and that of the usable one."""
    unit = evidence.passages.unit
    chosen: dict[str, tuple[_Choice, _Choice | None]] = {NOTHING: (_Choice(None, evidence.restricted), None)}
    for name, curve in evidence.curves.items():
        found = evidence.measured.get(name)
        note = "a lower bound: some never arrived after it" if found and found.optimistic else ""
        valid = np.asarray(curve.valid, bool)
        wider = valid if found is None else np.asarray(curve.at) >= float(found.residual.value)
        # Eq. 9 without a range where the survivors have relaxed: the usable one has to do.
        allowed = valid if valid.any() else wider
        chosen[name] = (_best_point(curve, allowed, unit, note), _best_point(curve, wider, unit, note))
    return chosen


def _ranking(
    chosen: Mapping[str, tuple[_Choice, _Choice | None]], evidence: PerturbationEvidence
) -> list[Candidate]:
    shares = _probabilities([best.mean for best, _ in chosen.values()])
    ranked = [
        Candidate(
            name,
            best.interval,
            best.mean,
            evidence.measured[name].residual if name in evidence.measured else None,
            _gain(evidence, best.mean) if name != NOTHING else None,
            float(share),
            usable.interval if usable else None,
            usable.mean if usable else None,
        )
        for (name, (best, usable)), share in zip(chosen.items(), shares, strict=True)
    ]
    return sorted(ranked, key=lambda candidate: float(candidate.predicted_mean.value))


def _best_point(curve: Prediction, allowed: Array, unit: str, note: str) -> _Choice:
    value, at = np.asarray(curve.value), np.asarray(curve.at)
    drawn = np.asarray(curve.samples)
    if not (allowed & np.isfinite(value)).any():
        never = np.full(drawn.shape[0], np.inf)
        infinite = Estimate(float("inf"), (float("inf"), float("inf")), unit=unit, samples=never)
        return _Choice(None, infinite)
    place = int(np.argmin(np.where(allowed, value, np.inf)))
    low, high = percentile_interval(drawn[:, place])
    mean = Estimate(
        float(value[place]), (float(low), float(high)), unit=unit, note=note, samples=drawn[:, place]
    )
    again = np.argmin(np.where(allowed, drawn, np.inf), axis=1)
    promised = drawn[np.arange(drawn.shape[0]), again]
    kept = np.isfinite(promised) & np.isfinite(value[again])
    # Efron's optimism: what the best interval of a resample promises, against what the data then give.
    optimism = float(np.mean(value[again][kept] - promised[kept])) if kept.any() else 0.0
    return _Choice(int(at[place]), mean, optimism)


def _probabilities(means: list[Estimate]) -> Array:
    """Share of resamples in which each mean is the smallest; a tie counts in equal parts."""
    drawn = np.stack([np.asarray(mean.samples) for mean in means])
    smallest = drawn == drawn.min(axis=0)
    return np.asarray((smallest / smallest.sum(axis=0)).mean(axis=1))


def _gain(evidence: PerturbationEvidence, mean: Estimate) -> SpeedUp | None:
    if not np.isfinite(mean.value):
        return None
    return speed_up_of(evidence.passages, evidence.restricted, evidence.extrapolated, mean)


def _recommendation(
    ranking: list[Candidate],
    chosen: Mapping[str, tuple[_Choice, _Choice | None]],
    evidence: PerturbationEvidence,
) -> str:
    """What the data support: a candidate whose mean is known and beats "nothing" in 95 % of the resamples."""
    nothing = next(candidate for candidate in ranking if candidate.name == NOTHING)
    proper = [candidate for candidate in ranking if not _optimistic(candidate, evidence)]
    best, unit = proper[0], evidence.passages.unit
    waiting = ("at least " if evidence.passages.censored_fraction else "") + with_interval(
        nothing.predicted_mean
    )
    if best is nothing and not evidence.passages.reached.any():
        return (
            f"These runs cannot tell: none of {len(evidence.passages)} arrived in {evidence.passages.horizon} "
            f"{unit}s, and no alternative is predicted to; choose an easier target or watch longer."
        )
    if best is nothing:
        others = [candidate for candidate in proper[1:] if candidate.interval is not None]
        next_best = (
            f"; the best alternative, {_manner(others[0], unit)}, is predicted at "
            f"{with_interval(others[0].predicted_mean)}"
            if others
            else ""
        )
        return f"Leave it alone: doing nothing takes {waiting} {unit}s{next_best}."
    manner, expected = _manner(best, unit), with_interval(best.predicted_mean)
    sooner = _share_sooner(chosen[best.name][0], nothing)
    if sooner < _DECIDED:
        return (
            f"Leave it alone for now: {manner} is predicted at {expected} {unit}s, doing nothing at {waiting}, "
            f"which is sooner in only {100 * sooner:.3g} % of the resamples; more runs would decide."
        )
    return f"{manner[0].upper()}{manner[1:]}: expected {expected} {unit}s instead of {waiting}."


def _optimistic(candidate: Candidate, evidence: PerturbationEvidence) -> bool:
    return candidate.name in evidence.measured and evidence.measured[candidate.name].optimistic


def _manner(candidate: Candidate, unit: str) -> str:
    if candidate.name == RESET:
        return f"restart from scratch about every {candidate.interval} {unit}s"
    return f"apply {candidate.name} every {candidate.interval} {unit}s"


def _share_sooner(best: _Choice, nothing: Candidate) -> float:
    honest = np.asarray(best.mean.samples) + best.optimism
    return float((honest < np.asarray(nothing.predicted_mean.samples)).mean())


def _verdicts(evidence: PerturbationEvidence) -> list[Verdict]:
    passages, found = evidence.passages, []
    if not passages.reached.any():
        text = (
            f"0 of {len(passages)} runs reached {evidence.target:g} in {passages.horizon} {passages.unit}s; "
            f"best seen {evidence.best_seen:.4g}."
        )
        found.append(Verdict(False, "never_reached", text, {"best_seen": evidence.best_seen}))
    for name, interval in evidence.spent.items():
        text = (
            f"{name}: every run had arrived by {interval}, nothing to perturb; lower P* (the interval of the "
            "perturbed runs) or raise the target."
        )
        found.append(Verdict(False, "nothing_to_perturb", text, {"interval": interval}))
    relaxed: dict[str, Verdict] = {}
    for name, perturbation in evidence.measured.items():
        relaxed[perturbation.relaxed.text] = perturbation.relaxed
        if float(perturbation.residual.value) > perturbation.interval:
            found.append(_out_of_reach(name, perturbation))
    found += relaxed.values()
    if evidence.measured:
        text = "One interval only: a plateau of the residual time is assumed."
        found.append(Verdict(None, "plateau_assumed", text, {"candidates": sorted(evidence.measured)}))
    return found


def _out_of_reach(name: str, perturbation: MeasuredPerturbation) -> Verdict:
    text = (
        f"{name}: its mean residual time {number(float(perturbation.residual.value))} exceeds every interval up "
        f"to {perturbation.interval}, where it was measured, so no interval can be recommended."
    )
    return Verdict(False, "residual_beyond_intervals", text, {"interval": perturbation.interval})


def _worth_one_test(ranking: list[Candidate]) -> list[Verdict]:
    found = []
    for candidate in ranking:
        mean, interval = candidate.usable_mean, candidate.usable_interval
        if mean is None or interval == candidate.interval or interval is None:
            continue
        text = (
            f"{candidate.name} every {interval} {mean.unit}s would take {with_interval(mean)} if the residual time "
            "holds before the survivors have relaxed: worth one test."
        )
        found.append(Verdict(None, "worth_one_test", text, {"interval": interval, "mean": mean.value}))
    return found


def _caveats(
    ranking: list[Candidate],
    chosen: Mapping[str, tuple[_Choice, _Choice | None]],
    evidence: PerturbationEvidence,
) -> list[str]:
    caveats = []
    if len(evidence.passages) < 20:
        caveats.append(f"n = {len(evidence.passages)} unperturbed runs only")
    for name, perturbation in evidence.measured.items():
        count = len(perturbation.passages)
        if count < 10:
            caveats.append(f"n = {count} survivors only, perturbed with {name}")
        if perturbation.optimistic:
            missing = count - int(perturbation.passages.reached.sum())
            caveats.append(
                f"{name} is ranked optimistically: {missing} of {count} had not arrived "
                f"{perturbation.passages.horizon} {perturbation.passages.unit}s after it, so its mean is a lower bound"
            )
        unsettled = perturbation.relaxed.holds is not True or perturbation.relaxation > perturbation.interval
        if unsettled and chosen[name][0].interval is not None:
            caveats.append(
                f"{name}: the survivors are not known to have relaxed by {perturbation.interval}, so every "
                "interval above the mean residual time counts as valid"
            )
    for name, (best, _) in chosen.items():
        if best.optimism > 0.5 * (float(best.mean.value) - float(best.mean.low)):
            caveats.append(
                f"{name}: chosen as the best of many intervals, so expect about "
                f"{number(float(best.mean.value) + best.optimism)} rather than {number(float(best.mean.value))}"
            )
    if evidence.passages.censored_fraction and ranking[0].name == NOTHING:
        caveats.append("nothing enters with its restricted mean, which favours it")
    return caveats
