"""Prediction against brute force: training that really was perturbed at an interval."""

from __future__ import annotations

import numpy as np

from thermograd.advisor.perturbation_evidence import RESET, PerturbationEvidence
from thermograd.advisor.wording import every, with_interval
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    restricted_mean,
)
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Verdict

_FEW = 0.05


def brute_force_verdicts(evidence: PerturbationEvidence) -> list[Verdict]:
    """Per verified candidate and interval, whether the measured mean agrees with the predicted one.

    They agree if the 95 % interval of their difference holds 0, so 5 % of true predictions are called
    contradicted. Where runs are censored the measured mean is known to lie above the restricted one: a
    prediction below that is contradicted, and unless few are censored nothing more can be said. A prediction
    that is itself a lower bound, as some perturbed runs never arrived, can only be contradicted, by a mean below it.

    Args:
        evidence: what the predictions rest on, and what was `verified`.

    Returns:
        One verdict each, of kind "prediction_against_brute_force".
    """
    return [
        _compare(
            name,
            interval,
            predicted_at(evidence, name, interval),
            arrived,
            _bound_only(evidence, name),
            evidence.resamples,
        )
        for name, intervals in evidence.verified.items()
        for interval, arrived in intervals.items()
    ]


def tried_means(evidence: PerturbationEvidence, name: str) -> dict[int, Estimate]:
    """Mean first-passage time at each interval that was tried by brute force, where every run arrived.

    Args:
        evidence: what was `verified`.
        name: the perturbation.

    Returns:
        The means by interval, increasing.
    """
    return {
        interval: restricted_mean(arrived, resamples=evidence.resamples)
        for interval, arrived in sorted(evidence.verified.get(name, {}).items())
        if arrived.reached.all()
    }


def is_contradicted(evidence: PerturbationEvidence, name: str) -> bool:
    """Whether brute force contradicts a prediction where that was said to be valid."""
    return any(
        verdict.holds is False and verdict.evidence["candidate"] == name and verdict.evidence["valid"]
        for verdict in brute_force_verdicts(evidence)
    )


def predicted_at(evidence: PerturbationEvidence, name: str, interval: int) -> Estimate | None:
    """The mean that is predicted at one interval, which its note may say is outside the valid range.

    Args:
        evidence: what the prediction rests on.
        name: the perturbation.
        interval: at which it is made.

    Returns:
        The mean; None where nothing is predicted.
    """
    curve = evidence.curves.get(name)
    if curve is None or interval not in np.asarray(curve.at):
        return None
    place = int(np.flatnonzero(np.asarray(curve.at) == interval)[0])
    samples = np.asarray(curve.samples)[:, place]
    low, high = percentile_interval(samples, pieces=evidence.pieces(name))
    value = float(np.asarray(curve.value)[place])
    covered = curve.valid is None or bool(curve.valid[place])
    return Estimate(
        value,
        (float(low), float(high)),
        unit=evidence.passages.unit,
        note="" if covered else "outside its valid range",
        samples=samples,
    )


def _bound_only(evidence: PerturbationEvidence, name: str) -> bool:
    return name in evidence.measured and evidence.measured[name].optimistic


def _compare(
    name: str,
    interval: int,
    predicted: Estimate | None,
    arrived: FirstPassageTimes,
    bound_only: bool,
    resamples: int,
) -> Verdict:
    measured = restricted_mean(arrived, resamples=resamples)
    what = "restart from scratch" if name == RESET else name
    if predicted is None:
        text = f"{what} {every(interval, arrived.unit)}: measured {with_interval(measured)}, nothing was predicted."
        return _verdict(None, text, name, interval, predicted, measured)
    samples = (
        np.asarray(measured.samples) - np.asarray(predicted.samples)[: len(np.asarray(measured.samples))]
    )
    missing = len(arrived) - int(arrived.reached.sum())
    if bound_only:
        # A mean above the bound was to be expected, whatever it is; one below contradicts.
        holds = False if not missing and percentile_interval(samples)[1] < 0.0 else None
    elif not missing:
        low, high = percentile_interval(samples)
        holds = bool(low <= 0.0 <= high)
    else:
        holds = _of_censored(predicted, measured, arrived)
    answer = {True: "agrees with", False: "is contradicted by", None: "cannot be decided by"}[holds]
    least = "at least " if bound_only else ""
    outside = f", {predicted.note}," if predicted.note else ""
    never = f", at least, as {missing} of them never arrived" if missing else ""
    text = (
        f"{what} {every(interval, arrived.unit)}: the prediction {least}{with_interval(predicted)}{outside} "
        f"{answer} brute force, {with_interval(measured)} from {len(arrived)} runs{never}."
    )
    return _verdict(holds, text, name, interval, predicted, measured)


def _of_censored(predicted: Estimate, measured: Estimate, arrived: FirstPassageTimes) -> bool | None:
    if predicted.high < measured.low:
        return False
    if arrived.censored_fraction <= _FEW:
        return bool(predicted.low <= extrapolated_mean(arrived).high)
    return None


def _verdict(
    holds: bool | None,
    text: str,
    name: str,
    interval: int,
    predicted: Estimate | None,
    measured: Estimate,
) -> Verdict:
    evidence = {
        "candidate": name,
        "interval": interval,
        "valid": predicted is not None and not predicted.note,
        "predicted": None if predicted is None else float(predicted.value),
        "predicted_interval": None if predicted is None else predicted.interval,
        "measured": float(measured.value),
        "measured_interval": measured.interval,
    }
    return Verdict(holds, "prediction_against_brute_force", text, evidence)
