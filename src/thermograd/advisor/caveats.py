"""What was decided on the way to the advice, and what weakens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from thermograd.advisor.candidate import Candidate
from thermograd.advisor.measured_perturbation import MeasuredPerturbation
from thermograd.advisor.perturbation_evidence import NOTHING, PerturbationEvidence
from thermograd.advisor.wording import every, listed, number, with_interval
from thermograd.quantities import Verdict

Case = TypeVar("Case")


def foreseen_outcomes(evidence: PerturbationEvidence) -> list[Verdict]:
    """Targets never reached, diverged runs, perturbations that could not act or have no Eq. 9, relaxation, plateau.

    Args:
        evidence: what the advice rests on.

    Returns:
        One verdict per outcome that occurred.
    """
    found = [*_never_reached(evidence), *_diverged(evidence), *_nothing_to_perturb(evidence)]
    found += [_not_covered(name, why, evidence) for name, why in evidence.not_covered.items()]
    relaxed: dict[str, Verdict] = {}
    for name, perturbation in evidence.measured.items():
        relaxed[perturbation.relaxed.text] = perturbation.relaxed
        residuals = perturbation.residuals or {perturbation.interval: perturbation.residual}
        if all(float(residual.value) > interval for interval, residual in residuals.items()):
            found.append(_out_of_reach(name, perturbation))
    return [*found, *_plateaus(evidence), *relaxed.values()]


def worth_one_test(ranking: Sequence[Candidate], evidence: PerturbationEvidence) -> list[Verdict]:
    """Intervals that only the wider range holds, where the prediction is a bet.

    Args:
        ranking: all alternatives.
        evidence: what they rest on.

    Returns:
        One verdict per alternative whose mean is known and would be smaller there.
    """
    found = []
    for candidate in ranking:
        mean, interval = candidate.usable_mean, candidate.usable_interval
        if (
            mean is None
            or interval in (None, candidate.interval)
            or candidate.optimistic
            or candidate.verified
        ):
            continue
        text = (
            f"{candidate.name} {every(interval, evidence.passages.unit)} would take {with_interval(mean)} if "
            f"{_if_so(evidence.measured[candidate.name], int(interval or 0))}: worth one test"
            f"{_but(evidence.measured[candidate.name], int(interval or 0))}."
        )
        found.append(Verdict(None, "worth_one_test", text, {"interval": interval, "mean": mean.value}))
    return found


def _if_so(perturbation: MeasuredPerturbation, interval: int) -> str:
    if perturbation.plateau is not None and interval in perturbation.residuals:
        return f"a second perturbation {interval} after the first changes nothing, or was already made in these runs"
    return "the time left after a perturbation is the same before the survivors have relaxed"


def _but(perturbation: MeasuredPerturbation, interval: int) -> str:
    """How many runs would be perturbed again before they arrive, which the prediction does not know of."""
    late = int((perturbation.passages.time > interval).sum())
    if not late:
        return ""
    return f", though {late} of {len(perturbation.passages)} took longer than {interval} and would be perturbed again on the way"


def caveats(
    ranking: Sequence[Candidate], optimism: Mapping[str, float], evidence: PerturbationEvidence
) -> list[str]:
    """What weakens the advice, one sentence each; what holds of several alternatives is said once.

    Args:
        ranking: all alternatives, best first.
        optimism: per alternative, by how much having been chosen as the best of many flatters its mean.
        evidence: what they rest on.

    Returns:
        The sentences, possibly none.
    """
    found = []
    if 1 < len(evidence.passages) < 20:
        found.append(f"n = {len(evidence.passages)} unperturbed runs only")
    found += [*_few_survivors(evidence), *_bounds(evidence), *_unsettled(ranking, evidence)]
    for candidate in ranking:
        mean = candidate.ranked_mean
        flattered, value = optimism[candidate.name], float(mean.value)
        if flattered > 0.5 * (value - float(mean.low)):
            found.append(
                f"{candidate.name}: chosen as the best of many intervals, so expect about "
                f"{number(value + flattered)} rather than {number(value)}"
            )
    if ranking[0].name == NOTHING and ranking[0].optimistic:
        found.append(
            f"doing nothing competes with its mean over the {evidence.passages.horizon} "
            f"{evidence.passages.unit}s seen, a lower bound, which favours it"
        )
    return found


def _plateaus(evidence: PerturbationEvidence) -> list[Verdict]:
    """Whether each residual time is the same at every interval; together those that have one interval only."""
    found = []
    for name, perturbation in evidence.measured.items():
        if perturbation.plateau is None:
            continue
        verdict = perturbation.plateau.verdict
        text = f"{name}: {verdict.text[0].lower()}{verdict.text[1:]} {_consequence(perturbation)}"
        found.append(replace(verdict, text=text, evidence={"candidate": name} | verdict.evidence))
    assumed = sorted(name for name, one in evidence.measured.items() if one.plateau is None)
    if assumed:
        text = (
            "One interval only: that the time left after a perturbation is the same at every interval (a "
            "plateau) is assumed, not tested."
        )
        found.append(Verdict(None, "plateau_assumed", text, {"candidates": assumed}))
    return found


def _consequence(perturbation: MeasuredPerturbation) -> str:
    if perturbation.flat is False:
        return "So only the measured intervals compete, by Eq. 3, which needs no plateau."
    if perturbation.flat is None:
        return "So it is assumed."
    relaxed = perturbation.relaxed.holds is True and perturbation.relaxation <= perturbation.since
    although = "" if relaxed else ", whether or not the survivors have relaxed by then"
    return (
        f"A plateau is what Eq. 9 needs: it is taken to hold from {number(perturbation.since)} on{although}."
    )


def _never_reached(evidence: PerturbationEvidence) -> list[Verdict]:
    passages = evidence.passages
    if passages.reached.any():
        return []
    lost = "; every run diverged" if evidence.diverged == len(passages) else ""
    text = (
        f"0 of {len(passages)} runs reached {evidence.target:g} in {passages.horizon} {passages.unit}s; "
        f"best seen {number(evidence.best_seen)}{lost}."
    )
    return [Verdict(False, "never_reached", text, {"best_seen": evidence.best_seen})]


def _diverged(evidence: PerturbationEvidence) -> list[Verdict]:
    count, runs = evidence.diverged, len(evidence.passages)
    if not 0 < count < runs:
        return []
    text = f"{count} of {runs} unperturbed runs diverged; they count as never arriving."
    return [Verdict(False, "stayed_finite", text, {"diverged": count, "runs": runs})]


def _nothing_to_perturb(evidence: PerturbationEvidence) -> list[Verdict]:
    found = []
    for interval, names in _grouped(evidence.spent).items():
        text = (
            f"{listed(names)}: every run had arrived by {interval}, nothing to perturb; lower P* (the interval "
            "of the perturbed runs) or raise the target."
        )
        found.append(Verdict(False, "nothing_to_perturb", text, {"candidates": names, "interval": interval}))
    return found


def _not_covered(name: str, why: str, evidence: PerturbationEvidence) -> Verdict:
    tried = name in evidence.verified
    text = (
        f"{name}: {why}, so what followed one perturbation does not predict training perturbed again and "
        f"again (Eq. 9), and it is not ranked; {'see what' if tried else 'only'} brute force tells"
        f"{'' if tried else ' (verify of the study)'}."
    )
    return Verdict(False, "covered_by_eq_9", text, {"candidate": name, "why": why})


def _out_of_reach(name: str, perturbation: MeasuredPerturbation) -> Verdict:
    text = (
        f"{name}: its mean residual time {number(float(perturbation.residual.value))} exceeds every interval up "
        f"to {perturbation.interval}, where it was measured, so no interval can be recommended."
    )
    return Verdict(False, "residual_beyond_intervals", text, {"interval": perturbation.interval})


def _few_survivors(evidence: PerturbationEvidence) -> list[str]:
    counts = {name: len(found.passages) for name, found in evidence.measured.items()}
    few = _grouped({name: count for name, count in counts.items() if count < 10})
    return [f"n = {count} survivors only, perturbed with {listed(names)}" for count, names in few.items()]


def _bounds(evidence: PerturbationEvidence) -> list[str]:
    cases = {}
    for name, found in evidence.measured.items():
        missing = len(found.passages) - int(found.passages.reached.sum())
        if missing:
            cases[name] = (missing, len(found.passages), found.passages.horizon)
    left_out = [
        f"{name} at {interval}: {int((~passages.reached).sum())} of {len(passages)} had not arrived "
        f"{passages.horizon} {passages.unit}s after the perturbation, so this interval is left out"
        for name, found in evidence.measured.items()
        for interval, passages in found.left_out.items()
    ]
    return left_out + [
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} ranked optimistically: {missing} of {count} had "
        f"not arrived {horizon} {evidence.passages.unit}s after the perturbation, and a lower bound is never recommended; follow the "
        "perturbed runs for longer"
        for (missing, count, horizon), names in _grouped(cases).items()
    ]


def _unsettled(ranking: Sequence[Candidate], evidence: PerturbationEvidence) -> list[str]:
    chosen = {entry.name for entry in ranking if entry.interval is not None and not entry.optimistic}
    tried = {entry.name for entry in ranking if entry.verified}
    cases = {
        name: found.interval
        for name, found in evidence.measured.items()
        if name in chosen and found.flat is None and not found.settled and name not in tried
    }
    return [
        f"{listed(names)}: the survivors are not known to have relaxed by {interval}, and one interval tests no "
        f"plateau, so {interval} is the only interval about which these runs say anything for certain"
        for interval, names in _grouped(cases).items()
    ]


def _grouped(cases: Mapping[str, Case]) -> dict[Case, list[str]]:
    """The names by what holds of them."""
    groups: dict[Case, list[str]] = {}
    for name, case in cases.items():
        groups.setdefault(case, []).append(name)
    return groups
