"""Advice on perturbing: whether, with what, and how often - "nothing" and "reset" always compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor import learning_rate_decay
from thermograd.advisor.brute_force import brute_force_verdicts, is_contradicted, predicted_at, tried_means
from thermograd.advisor.candidate import Candidate
from thermograd.advisor.caveats import caveats, foreseen_outcomes, worth_one_test
from thermograd.advisor.measured_perturbation import MeasuredPerturbation
from thermograd.advisor.perturbation_evidence import (
    NOTHING,
    PerturbationEvidence,
    Recorded,
    Recording,
    gather_evidence,
)
from thermograd.advisor.recommendation import DECIDED, recommend, recommended
from thermograd.advisor.speed_up import SpeedUp, speed_up, speed_up_of
from thermograd.errors import ConfigError
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Advice, Estimate, Prediction
from thermograd.store.perturbation_record import PerturbationRecord

if TYPE_CHECKING:
    from thermograd.training.watch import Watch

__all__ = ["Candidate", "SpeedUp", "advise", "advise_on", "recommended", "speed_up"]

Array = npt.NDArray[Any]


def advise(
    record: PerturbationRecord | Recorded | Watch,
    candidates: Mapping[str, Recording | Sequence[Recording]] | None = None,
    *,
    target: float | None = None,
    direction: str = "up",
    relaxation: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Advice:
    """Which perturbation, how often, and whether at all, ranked by predicted mean first-passage time.

    Of the watch of one training: whether to cut its learning rate (`thermograd.advisor.learning_rate_decay.advise`).

    A candidate perturbed once at P* has, by Eq. 9 of Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121),
    E[T_P] = sum of Psi(t) over t < P, plus Psi(P) tau; it competes at the best P of its valid range
    max(relaxation time, tau) <= P <= P*. "reset" competes by Eq. 5, "nothing" by its restricted mean.

    Measured at several intervals, a candidate is first tested for a plateau (`plateau_test`), which is what
    Eq. 9 needs: relaxed survivors are sufficient for it, not necessary. If the residual times are constant,
    or constant within 30 %, from P0 on, Eq. 9 with tau at the largest interval P* holds from max(P0, tau) on;
    if not, only the measured intervals compete. At these the mean is by Eq. 3 with their own tau in any
    case: an identity, while Eq. 9 carries over what the plateau's 30 % allow. One that does not exceed its
    own tau is only worth a test, and Eq. 9 is not used up to it. Intervals of which some runs never arrived are left out if others have none.
    A perturbation that Eq. 9 does not cover (`not_covered` of a study) is not ranked: only brute force tells.

    Measured at one interval P* only, without survivors that are known to have relaxed, a candidate competes at P*
    alone: other intervals are worth a test, no more. Where `verify` tried an interval by brute force and every
    run arrived, the candidate competes with that measured mean, unless a prediction that nothing contradicts
    beats it in 95 % of the resamples.

    Recommended is what beats "nothing" at the chosen interval with a confidence of 95 % by the joint resamples,
    corrected for the number of alternatives and for few runs, its mean
    raised there by the optimism of having chosen (Efron 1983); `recommended` gives it. Where some perturbed runs
    never arrived tau is a lower bound: such a candidate is ranked with it, flagged optimistic, has no speed-up
    and is never recommended.

    Args:
        record: a study; or the unperturbed runs `(trajectory, time)`, an array or `Trajectories`; or a `Watch`.
        candidates: with unperturbed runs: `{name: (perturbed, interval)}`, full runs from their start that
            were (first) perturbed after `interval` units; or a list of such pairs at different intervals.
        target: the value to reach; with unperturbed runs only, a study has its own.
        direction: "up" or "down"; with unperturbed runs only.
        relaxation: from when on the survivors are known to be quasi-steady; default: by distance, on the
            times up to P*, window from P*/5 to P*, and not before that window begins.
        resamples: bootstrap resamples, at least 1.
        seed: seed of all resamples.

    Returns:
        The recommendation, the ranking of `Candidate`, what was decided on the way, and caveats.

    Raises:
        ConfigError: no target, one given twice, a name that is taken, or values that cannot be used.

    >>> unperturbed = np.where(np.arange(40) % 4 < 2, 1.0, 0.0)[:, None] * (np.arange(1, 31) >= 5)
    >>> print(advise(unperturbed, target=1.0).recommendation)
    Restart from scratch about every 5 epochs: expected 10 (7.69–15.4) epochs instead of at least 17.5 (13.8–21.9).
    """
    given: Any = record
    if hasattr(given, "weighing"):
        if target is not None or candidates is not None:
            message = "the watch of one training has no target and no candidates; pass the watch alone"
            raise ConfigError(message)
        return learning_rate_decay.advise(given)
    return advise_on(
        gather_evidence(
            given,
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

    >>> late = np.array([[0.1, 0.9, 0.9], [0.1, 0.2, 0.9]])
    >>> print(advise_on(gather_evidence(late, target=0.9)).ranking[0].name)
    nothing
    """
    chosen = _choices(evidence)
    ranking = _ranking(chosen, evidence)
    optimism = {name: best.optimism for name, (best, _) in chosen.items()}
    recommendation, decided = recommend(ranking, optimism, evidence)
    verdicts = [
        *decided,
        *foreseen_outcomes(evidence),
        *worth_one_test(ranking, evidence),
        *brute_force_verdicts(evidence),
    ]
    return Advice(
        recommendation, tuple(ranking), tuple(verdicts), tuple(caveats(ranking, optimism, evidence))
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    """The best interval of a curve; `optimism` is by how much being the best of many flatters its mean.

    `tried` says that the mean was measured by brute force at that interval.
    """

    interval: int | None
    mean: Estimate
    optimism: float = 0.0
    tried: bool = False


def _choices(evidence: PerturbationEvidence) -> dict[str, tuple[_Choice, _Choice | None]]:
    """Per alternative the best point of its valid range, and that of the usable one."""
    unit = evidence.passages.unit
    chosen: dict[str, tuple[_Choice, _Choice | None]] = {
        NOTHING: (_Choice(None, _left_alone(evidence)), None)
    }
    for name, curve in evidence.curves.items():
        found = evidence.measured.get(name)
        note = "a lower bound: some never arrived after it" if found and found.optimistic else ""
        valid = np.asarray(curve.valid, bool)
        wider = valid if found is None else valid | found.usable(np.asarray(curve.at))
        pieces = evidence.pieces(name)
        usable = _best_point(replace(curve, valid=wider), unit, note, pieces)
        chosen[name] = (_best_point(curve, unit, note, pieces), usable)
    for name in evidence.verified:
        tried = _best_tried(evidence, name, unit)
        if tried is not None:
            known = chosen.get(name)
            stands = known is not None and _clearly_sooner(evidence, name, known[0], tried)
            chosen[name] = (known[0] if known and stands else tried, known[1] if known else None)
    return chosen


def _best_tried(evidence: PerturbationEvidence, name: str, unit: str) -> _Choice | None:
    """The best of the intervals at which a perturbation really was tried and every run arrived."""
    means = tried_means(evidence, name)
    if not means:
        return None
    curve = Prediction(
        np.array([mean.value for mean in means.values()]),
        at=np.array(list(means)),
        valid=np.ones(len(means), bool),
        samples=np.stack([np.asarray(mean.samples) for mean in means.values()], axis=1),
    )
    best = _best_point(curve, unit, "", np.inf)
    assert best.interval is not None  # every one is finite
    measured = means[best.interval]
    return replace(best, mean=replace(best.mean, interval=measured.interval), tried=True)


def _clearly_sooner(evidence: PerturbationEvidence, name: str, predicted: _Choice, tried: _Choice) -> bool:
    """Whether a prediction stands against what was tried: known, not contradicted, sooner in 95 % of resamples."""
    found = evidence.measured.get(name)
    if predicted.interval is None or (found and found.optimistic) or is_contradicted(evidence, name):
        return False
    honest = np.asarray(predicted.mean.samples) + predicted.optimism
    return bool((honest < np.asarray(tried.mean.samples)).mean() >= DECIDED)


def _left_alone(evidence: PerturbationEvidence) -> Estimate:
    missing = int((~evidence.passages.reached).sum())
    if not missing:
        return evidence.restricted
    seen = f"{evidence.passages.horizon} {evidence.passages.unit}s"
    note = f"a lower bound: {missing} of {len(evidence.passages)} had not arrived in the {seen} seen"
    return replace(evidence.restricted, note=note)


def _ranking(
    chosen: Mapping[str, tuple[_Choice, _Choice | None]], evidence: PerturbationEvidence
) -> list[Candidate]:
    shares = _probabilities([best.mean for best, _ in chosen.values()])
    ranked = []
    for (name, (best, usable)), share in zip(chosen.items(), shares, strict=True):
        found = evidence.measured.get(name)
        optimistic = found.optimistic if found else name == NOTHING and not evidence.passages.reached.all()
        optimistic = optimistic and not best.tried
        ranked.append(
            Candidate(
                name,
                best.interval,
                _predicted(evidence, name, best),
                _residual(found, best.interval) if found else None,
                None if name == NOTHING or optimistic else _gain(evidence, best.mean),
                float(share),
                usable.interval if usable else None,
                usable.mean if usable else None,
                optimistic,
                best.mean if best.tried else None,
            )
        )
    return sorted(ranked, key=lambda candidate: float(candidate.ranked_mean.value))


def _predicted(evidence: PerturbationEvidence, name: str, best: _Choice) -> Estimate | None:
    """What is predicted at the best interval, also where the mean there was measured."""
    if not best.tried:
        return best.mean
    predicted = None if best.interval is None else predicted_at(evidence, name, best.interval)
    bound = name in evidence.measured and evidence.measured[name].optimistic
    return (
        replace(predicted, note="a lower bound: some never arrived after it")
        if predicted and bound
        else predicted
    )


def _residual(found: MeasuredPerturbation, interval: int | None) -> Estimate:
    """The residual time the prediction rests on: that of the interval if it was measured there, else at P*."""
    own = found.residual if interval is None else found.residuals.get(interval, found.residual)
    return replace(own, note="a lower bound" if found.optimistic else "")


def _best_point(curve: Prediction, unit: str, note: str, pieces: float) -> _Choice:
    value, at, allowed = np.asarray(curve.value), np.asarray(curve.at), np.asarray(curve.valid, bool)
    drawn = np.asarray(curve.samples)
    if not (allowed & np.isfinite(value)).any():
        never = np.full(drawn.shape[0], np.inf)
        infinite = Estimate(float("inf"), (float("inf"), float("inf")), unit=unit, samples=never)
        return _Choice(None, infinite)
    place = int(np.argmin(np.where(allowed, value, np.inf)))
    low, high = percentile_interval(drawn[:, place], pieces=pieces)
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
