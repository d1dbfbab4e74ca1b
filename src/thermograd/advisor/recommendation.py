"""The sentence that says what to do, and which alternative it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from thermograd.advisor.candidate import Candidate
from thermograd.advisor.perturbation_evidence import NOTHING, RESET, PerturbationEvidence
from thermograd.advisor.wording import every, number, with_interval
from thermograd.numerics.bootstrap import expanded_confidence
from thermograd.quantities import Advice, Verdict

DECIDED = 0.95
"""Share of the joint resamples from which on something is said to be sooner."""
_SOONER = "sooner_than_nothing"


def recommended(advice: Advice) -> Candidate | None:
    """The alternative that the recommendation tells to use; None if it says to leave training alone.

    It need not be the first of the ranking: that one may be a bound only, or not decided yet.

    Args:
        advice: from `advise`.

    Returns:
        The entry of the ranking, or None.

    >>> recommended(Advice("Leave it alone.")) is None
    True
    """
    for verdict in advice.verdicts:
        if verdict.kind == _SOONER and verdict.holds:
            name = verdict.evidence["candidate"]
            entry: Candidate = next(candidate for candidate in advice.ranking if candidate.name == name)
            return entry
    return None


def recommend(
    ranking: Sequence[Candidate], optimism: Mapping[str, float], evidence: PerturbationEvidence
) -> tuple[str, list[Verdict]]:
    """What the data support: an alternative whose mean is known and beats "nothing" at a confidence of 95 %.

    That is a share of 1 - 0.05 / k of the resamples with k alternatives to choose from (Bonferroni), expanded for
    few runs (`expanded_confidence`).

    Args:
        ranking: all alternatives, best first.
        optimism: per alternative, by how much having been chosen as the best of many flatters its mean.
        evidence: what they rest on.

    Returns:
        One sentence; and the verdict "sooner_than_nothing" on the best alternative whose mean is known, if
        that is predicted below "nothing".
    """
    passages = evidence.passages
    nothing = next(candidate for candidate in ranking if candidate.name == NOTHING)
    known = [candidate for candidate in ranking if candidate is nothing or not candidate.optimistic]
    best, unit = known[0], passages.unit
    if best is nothing and not passages.reached.any():
        return _cannot_tell(evidence), []
    waiting = ("at least " if nothing.optimistic else "") + with_interval(nothing.ranked_mean)
    if best is nothing:
        others = [candidate for candidate in known[1:] if candidate.interval is not None]
        return _nothing_better(others, evidence, waiting), []
    manner, expected = _manner(best, unit), with_interval(best.ranked_mean)
    how = "measured" if best.verified else "expected"
    honest = np.asarray(best.ranked_mean.samples) + optimism[best.name]
    share = float((honest < np.asarray(nothing.ranked_mean.samples)).mean())
    verdict = _sooner(best, manner, share, _needed(best, known, evidence))
    if not verdict.holds:
        text = (
            f"Leave it alone for now: {_named(best, unit)} {_came_out(best)} at {expected} {unit}s, doing nothing takes {waiting}; "
            "more runs would decide."
        )
        return text, [verdict]
    return f"{manner[0].upper()}{manner[1:]}: {how} {expected} {unit}s instead of {waiting}.", [verdict]


def _nothing_better(others: Sequence[Candidate], evidence: PerturbationEvidence, waiting: str) -> str:
    """The sentence where no known mean is below that of doing nothing, which may be a lower bound."""
    unit, horizon = evidence.passages.unit, evidence.passages.horizon
    if len(evidence.passages) == 1:
        missing = "" if evidence.passages.reached.all() else "at least "
        took = f"{missing}{number(float(evidence.restricted.value))}"
        return (
            f"One run cannot tell: it took {took} {unit}s, and whether another start arrives sooner is seen from "
            "several only. Give the logs of more runs of the same training, ten or more."
        )
    if not others and not evidence.passages.reached.all():
        return (
            f"Not decided by these runs: doing nothing takes {waiting} {unit}s, and no alternative has a known mean. "
            f"Watch the runs for longer than {horizon} {unit}s."
        )
    if not others:
        return f"Leave it alone: doing nothing takes {waiting} {unit}s."
    rival, tail = others[0], evidence.extrapolated
    said = f"{_named(rival, unit)}, {_came_out(rival)} at {with_interval(rival.ranked_mean)}"
    censored = not evidence.passages.reached.all()
    waiting += f" {unit}s, {with_interval(tail)} if the tail is exponential" if censored else f" {unit}s"
    if not censored or float(rival.ranked_mean.value) >= float(tail.value):
        return f"Leave it alone: doing nothing takes {waiting}; the best alternative, {said}."
    return (
        f"Not decided by these runs: doing nothing takes {waiting}; the best alternative, {said}. "
        f"Watch the unperturbed runs for longer than {horizon} {unit}s."
    )


def _came_out(candidate: Candidate) -> str:
    return "was measured" if candidate.verified else "is predicted"


def _cannot_tell(evidence: PerturbationEvidence) -> str:
    passages = evidence.passages
    if evidence.diverged == len(passages):
        return (
            f"These runs cannot tell: every run diverged ({len(passages)} of {len(passages)}), and no "
            "alternative is predicted to arrive; first find settings, such as a lower learning rate, with "
            "which training stays finite."
        )
    return (
        f"These runs cannot tell: none of {len(passages)} arrived in {passages.horizon} {passages.unit}s, "
        "and no alternative is predicted to; choose an easier target or watch longer."
    )


def _needed(best: Candidate, known: Sequence[Candidate], evidence: PerturbationEvidence) -> float:
    """The share of resamples that stands for 95 %: more with several alternatives to choose from, or few runs."""
    alternatives = sum(candidate.interval is not None for candidate in known)
    measured = evidence.measured.get(best.name)
    if best.verified and best.interval is not None:
        runs = len(evidence.verified[best.name][best.interval])
    elif measured is None:
        # Eq. 5 divides by the share that arrived in time: what it rests on are those arrivals.
        arrived = evidence.passages.reached & (evidence.passages.time <= (best.interval or 0))
        runs = int(arrived.sum())
    else:
        runs = measured.pieces
    fewest = min(len(evidence.passages), runs)
    return expanded_confidence(1.0 - (1.0 - DECIDED) / max(alternatives, 1), fewest)


def _sooner(best: Candidate, manner: str, share: float, needed: float) -> Verdict:
    decided = share >= needed
    asked = "" if decided else f"; {100 * needed:.3g} % are asked for"
    text = (
        f"Sooner than doing nothing in {100 * share:.3g} % of the resamples, after allowance for having chosen "
        f"the best interval: {manner}{asked}."
    )
    evidence = {"candidate": best.name, "interval": best.interval, "share": share, "needed": needed}
    return Verdict(True if decided else None, _SOONER, text, evidence)


def _named(candidate: Candidate, unit: str) -> str:
    name = "restarting from scratch about" if candidate.name == RESET else candidate.name
    return f"{name} {every(candidate.interval, unit)}"


def _manner(candidate: Candidate, unit: str) -> str:
    if candidate.name == RESET:
        return f"restart from scratch about {every(candidate.interval, unit)}"
    return f"apply {candidate.name} {every(candidate.interval, unit)}"
