"""What is wrong with posterior draws, what to change, and by which factor: the sentences of a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.estimators.posterior_heat import Heat

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

_LARGEST = 1000.0


@dataclass(frozen=True)
class Finding:
    """One condition of convergence.

    Attributes:
        kind: what it is if it fails: `too_hot`, `too_cold`, `still_relaxing`, `chains_disagree`,
            `not_enough_draws`.
        holds: True, False, or None where these draws cannot say.
        text: the number and its limit, in words.
        away: distance from what it should be, with its sign.
        severity: that distance in units of what is tolerated.
        epochs_factor: how many times as many epochs would decide it.
    """

    kind: str
    holds: bool | None
    text: str
    away: float
    severity: float
    epochs_factor: float = 1.0


def times_as_many(factor: float) -> str:
    """How many times as many, in words; rounded up.

    >>> times_as_many(3.2), times_as_many(123.0), times_as_many(math.inf)
    ('4 times as many', '130 times as many', 'more than 1000 times as many')
    """
    return f"{_rounded_up(factor)} times as many"


def remedy(
    finding: Finding, tolerance: float, draws: PosteriorDraws, heat: Heat
) -> tuple[str, dict[str, float]]:
    """What a failed condition means and what to change.

    The heat of minibatch noise and of the finite step grows like the learning rate η, that of the corrected SGWORLD like
    η³; the learning rate to try leaves half the tolerance. Without an equilibrium yet, a ratio of 1 − d after the time of
    half the epochs, and d that falls exponentially, ask for log(tolerance / 2) / log(d) times as many.

    Args:
        finding: the condition that failed.
        tolerance: of the virial ratio.
        draws: the draws.
        heat: their virial ratios.

    Returns:
        The sentence, and the factors in it by name: `learning_rate_factor`, `epochs_factor`.
    """
    if finding.kind == "chains_disagree":
        text = (
            f"Chains disagree: {finding.text}. Run {times_as_many(finding.epochs_factor)} epochs and burn_in"
        )
        tail = "; if that does not bring it down, the chains sit in different basins: start them from one."
        return text + tail, {"epochs_factor": finding.epochs_factor}
    away = f"{100 * abs(finding.away):.2g} %" if finding.away < 10 else f"a factor {1 + finding.away:.2g}"
    if finding.kind == "still_relaxing":
        return _of_the_relaxing(finding.text, draws, heat)
    if finding.kind == "too_cold":
        return _of_the_cold(f"Too cold by {away}, or not yet relaxed: {finding.text}", finding, tolerance)
    return _of_the_hot(f"Too hot by {away}: {finding.text}", finding, tolerance, draws, heat)


def _of_the_cold(text: str, finding: Finding, tolerance: float) -> tuple[str, dict[str, float]]:
    deficit = min(abs(finding.away), 0.99)
    factor = max(math.log(tolerance / 2) / math.log(deficit), 2.0)
    advice = f"run {times_as_many(factor)} epochs, and burn_in with them; if it stays the same, too little noise is injected for T"
    return f"{text}: {advice}.", {"epochs_factor": factor}


def _of_the_relaxing(text: str, draws: PosteriorDraws, heat: Heat) -> tuple[str, dict[str, float]]:
    moves = "falls" if heat.second_half < heat.first_half else "rises"
    advice = (
        f"it still {moves}, from {heat.first_half:.4g} in the first half to {heat.second_half:.4g} in the second: raise "
        f"burn_in to at least {draws.epochs[-1]:g} epochs and run 2 times as many"
    )
    return f"Not yet relaxed: {text}; {advice}.", {"epochs_factor": 2.0}


def _of_the_hot(
    text: str, finding: Finding, tolerance: float, draws: PosteriorDraws, heat: Heat
) -> tuple[str, dict[str, float]]:
    published = draws.facts.get("variant") == "published"
    corrected = draws.facts.get("sampler") == "SGWORLD" and not published
    factor = max((finding.away / (tolerance / 2)) ** (1 / 3 if corrected else 1.0), 1.1)
    share = heat.noise_share
    noise = f", minibatch noise {100 * share:.2g} % of what drives the chains" if np.isfinite(share) else ""
    if published:
        noise = ", an Euler step over a whole epoch"
    other = "" if corrected else " or use SGWORLD" + (" with variant='corrected'" if published else "")
    advice = f"reduce learning_rate {_rounded_up(factor)}-fold{other}"
    explained = share / (1 - share) if share < 1 else math.inf
    if not (corrected or published) and explained < finding.away / 3:
        advice += (
            "; so little noise explains little of it, so look at the scale of the loss and at burn_in too"
        )
    return f"{text}{noise}: {advice}.", {"learning_rate_factor": factor}


def _rounded_up(factor: float) -> str:
    if not factor <= _LARGEST:
        return f"more than {_LARGEST:g}"
    digits = 10 ** max(math.floor(math.log10(max(factor, 1.0))) - 1, 0)
    if factor < 2:
        return f"{math.ceil(factor * 10 - 1e-9) / 10:g}"
    return f"{math.ceil(factor / digits - 1e-9) * digits:g}"


def evidence_of(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """The conditions as plain values, for programs."""
    return {
        "epochs_factor": max(finding.epochs_factor for finding in findings),
        "conditions": [{"text": one.text, "holds": one.holds} for one in findings],
    }
