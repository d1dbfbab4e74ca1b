"""Whether draws are draws from exp(−U/T): shown by equivalence, not by the absence of evidence against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri

from thermograd.errors import ConfigError
from thermograd.estimators.posterior_heat import Heat, heat_of
from thermograd.estimators.posterior_mixing import effective_sample_size, rhat
from thermograd.estimators.posterior_remedy import Finding, evidence_of, remedy, times_as_many
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Verdict

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]

_MIXED, _APART = 1.01, 1.05
_ENOUGH = 400.0
_FALSE_ALARM = 0.001
_COORDINATES = 256
_EXCHANGEABLE = (
    " But hidden units can be exchanged without changing what a network computes, so its coordinates need not agree: judge by "
    "predictions, convergence(quantities={'probability': posterior_predictive(..., keep_draws=True).by_draw})."
)


@dataclass(frozen=True)
class _Mixing:
    """R̂ and effective sample sizes of coordinates and the potential, the worst of each with its name."""

    findings: tuple[Finding, ...]
    evidence: dict[str, Any] = field(default_factory=dict)


def convergence(
    draws: PosteriorDraws,
    tolerance: float = 0.05,
    level: float = 0.95,
    quantities: Mapping[str, npt.ArrayLike] | None = None,
) -> Verdict:
    """Whether draws are from exp(−U/T), by the virial identity and by the agreement of the chains.

    True: the interval of the virial ratio, and of that along every measured direction, lies inside 1 ± tolerance, R̂ is
    below 1.01 and the bulk effective sample size at least 400. False: such an interval lies outside altogether, or R̂ is
    above 1.05 and above what independent draws show by chance. None otherwise: few draws never pass. The intervals hold
    together at `level` (Bonferroni); R̂ of independent draws counts against them once in 1000 times. R̂ and the effective sample size are
    those of all coordinates up to 256, of 256 evenly spaced ones of more, or of the `quantities` given; R̂ also of the potential. Weights of a
    network may be exchanged without changing what it computes, so that chains that agree in all they predict disagree in their
    coordinates: then give predictions. Without a second chain,
    or without measured draws, it is never True; a ratio of fewer than 32 measured values decides nothing.

    Args:
        draws: the draws; those of weight 0 are left out.
        tolerance: largest distance of a virial ratio from 1.
        level: two-sided confidence.
        quantities: what is to have mixed instead of the coordinates, name to `(chain, draw, ...)` at all draws.

    Returns:
        A verdict whose kind is `converged`; `too_hot`, `too_cold`, `still_relaxing`, `chains_disagree`; `not_enough_draws`, `not_measured`,
        `one_chain`, `stiff_modes_not_measured`, `no_draws` or `no_temperature`. Its text names the worst number and what to change, by which factor.

    Raises:
        ConfigError: a ValueError: a tolerance or a level that is not between 0 and 1, or a quantity of another shape.

    >>> from thermograd.estimators.posterior_draws import PosteriorDraws
    >>> draws = np.random.default_rng(0).normal(size=(4, 2000, 2))
    >>> square = (draws**2).sum(-1)  # of the standard normal U = |θ|²/2, θ·∇U = |θ|²
    >>> convergence(PosteriorDraws({"w": draws}, potential=square / 2, virial=square)).kind
    'converged'
    >>> wider = PosteriorDraws({"w": 1.1 * draws}, potential=1.21 * square / 2, virial=1.21 * square)
    >>> convergence(wider).kind
    'too_hot'
    """
    known = is_finite_number(tolerance) and is_finite_number(level)
    if not (known and 0 < tolerance < 1 and 0 < level < 1):
        message = f"tolerance is {tolerance}, level is {level}; both must be between 0 and 1"
        raise ConfigError(message)
    check_has("draws", draws, "select", "tg.PosteriorDraws, as tg.sample_posterior returns")
    used = draws.select(draws.used)
    facts: dict[str, Any] = {
        "chains": used.chains,
        "draws": used.draws,
        "parameters": used.size,
        "measured": len(used.measured),
    }
    facts |= {"tolerance": tolerance, "level": level}
    facts["judged_by"] = "coordinates" if quantities is None else "quantities"
    if not used.draws:
        return Verdict(
            None, "no_draws", "There is no draw of any weight yet: run more epochs than burn_in.", facts
        )
    if used.temperature == 0:
        text = "At temperature 0 nothing is drawn from exp(−U/T); this tests the drift only."
        return Verdict(None, "no_temperature", text, facts)
    heat = heat_of(used, tolerance, level)
    mixing = _mixing(used, *(_coordinates(used) if quantities is None else _quantities(draws, quantities)))
    findings = (*_heat_findings(heat, tolerance), *mixing.findings)
    facts |= heat.evidence | mixing.evidence
    return _decided(used, findings, heat, facts | evidence_of(findings))


def _decided(
    used: PosteriorDraws, findings: tuple[Finding, ...], heat: Heat, facts: dict[str, Any]
) -> Verdict:
    failed = [one for one in findings if one.holds is False]
    # Chains that are still on their way disagree as well, and that is not what to change.
    wrong = sorted(failed, key=lambda one: (one.kind == "still_relaxing", one.severity), reverse=True)
    if wrong:
        worst = wrong[0]
        text, factors = remedy(worst, facts["tolerance"], used, heat)
        if (
            worst.kind == "chains_disagree"
            and facts["judged_by"] == "coordinates"
            and _has_hidden_units(used)
        ):
            text += _EXCHANGEABLE
        also = "".join(f" Also {one.text}." for one in wrong[1:3]) + (" And more." if len(wrong) > 3 else "")
        return Verdict(False, worst.kind, text + also, facts | factors | {"worst": worst.text})
    reservations = _reservations(used, facts["tolerance"])
    undecided = max(
        (one for one in findings if one.holds is None), key=lambda one: one.epochs_factor, default=None
    )
    if undecided is None and not reservations:
        numbers = "; ".join(one.text for one in findings)
        worst = max(findings, key=lambda one: one.severity)
        return Verdict(True, "converged", f"Converged: {numbers}.", facts | {"worst": worst.text})
    if undecided is not None:
        needed = f"{undecided.text}: {times_as_many(undecided.epochs_factor)} epochs are needed."
        reservations.append(("not_enough_draws", needed[0].upper() + needed[1:]))
    text = " ".join(sentence for _, sentence in reservations)
    worst_text = text if undecided is None else undecided.text
    return Verdict(None, reservations[0][0], text, facts | {"worst": worst_text})


def _has_hidden_units(draws: PosteriorDraws) -> bool:
    """Whether there are two layers or more, so that what is between them has no name of its own."""
    return sum(value.ndim > 3 for value in draws.parameters.values()) > 1


def _reservations(used: PosteriorDraws, tolerance: float) -> list[tuple[str, str]]:
    """Why it cannot be True, whatever the numbers."""
    found = []
    if not used.virial.shape[1]:
        text = (
            "The virial was not measured, so nothing tells how hot the chains are: sample with virial_every."
        )
        found.append(("not_measured", text))
    if used.chains < 2:
        text = "One chain cannot show that chains agree: run at least 4, of independent seeds."
        found.append(("one_chain", text))
    excess = used.facts.get("expected_excess")
    if not used.directional_virial.shape[2] and isinstance(excess, float) and excess > tolerance:
        text = (
            f"In the stiffest mode the step is expected to make the variance {100 * excess:.2g} % too large, which the virial of "
            "all weights does not show: sample with directions=3, or at the learning_rate of tg.advise_posterior_step."
        )
        found.append(("stiff_modes_not_measured", text))
    return found


def _heat_findings(heat: Heat, tolerance: float) -> list[Finding]:
    found = []
    for name, ratio, low, high, known in heat.intervals:
        away, half = ratio - 1, (high - low) / 2
        inside = 1 - tolerance < low and high < 1 + tolerance
        outside = low > 1 + tolerance or high < 1 - tolerance
        holds = None if not known else True if inside else False if outside else None
        # The ratio itself will move: one that happens to lie on the limit does not ask for ever more.
        gap = max(abs(abs(away) - tolerance), tolerance / 2)
        factor = 1.0 if holds is not None else max((half / gap) ** 2, 2.0)
        text = f"{name} {ratio:.4g} ({low:.4g} to {high:.4g})"
        if holds is None:
            text = f"{text} is not known to lie inside or outside 1 ± {tolerance:g}"
        kind = "still_relaxing" if heat.relaxing else "too_hot" if away > 0 else "too_cold"
        found.append(Finding(kind, holds, text, away, abs(away) / tolerance, float(factor)))
    return found


def _mixing(used: PosteriorDraws, points: Array, names: list[str], whole: int) -> _Mixing:
    spread = _rhats(points, used.potential)
    sizes = effective_sample_size(points)
    evidence: dict[str, Any] = {
        "coordinates": points.shape[2],
        "rhat": None,
        "bulk_effective_sample_size": None,
    }
    of = "" if points.shape[2] == whole else f" among {points.shape[2]} evenly spaced coordinates"
    if np.isnan(spread).all():
        short = f"R̂ is not known of {used.draws} draws a chain"
        factor = max(_ENOUGH / used.chains / used.draws, 2.0)
        return _Mixing((Finding("not_enough_draws", None, short, 0.0, 1.0, factor),), evidence)
    worst = int(np.nanargmax(spread))
    length = (used.potential.shape[1] if worst == len(names) else used.draws) // 2
    largest, chance = float(spread[worst]), _by_chance(2 * used.chains, length, 2 * len(spread))
    findings = [_rhat_finding(largest, chance, [*names, "the potential"][worst], of)]
    known = np.isfinite(spread[:-1])
    if known.any():
        bulk, tail = (np.where(known, size, np.nan) for size in (sizes.bulk, sizes.tail))
        fewest = int(np.nanargmin(bulk))
        findings.append(_size_finding(float(bulk[fewest]), names[fewest], of))
        evidence |= {"bulk_effective_sample_size": float(bulk[fewest]), "bulk_coordinate": names[fewest]}
        evidence |= {"tail_effective_sample_size": float(np.nanmin(tail))}
    evidence |= {
        "rhat": largest,
        "rhat_coordinate": [*names, "the potential"][worst],
        "rhat_by_chance": chance,
    }
    return _Mixing(tuple(findings), evidence)


def _rhats(points: Array, potential: Array) -> Array:
    return np.append(rhat(points), rhat(potential))


def _by_chance(halves: int, length: int, quantities: int) -> float:
    """What R̂ of independent normal draws stays below: n (R̂² − (n − 1)/n) is F-distributed."""
    quantile = fdtri(halves - 1, halves * (length - 1), 1 - _FALSE_ALARM / quantities)
    return float(np.sqrt((length - 1 + quantile) / length))


def _rhat_finding(largest: float, chance: float, name: str, of: str) -> Finding:
    apart = largest > max(_APART, chance)
    holds = False if apart else True if largest < _MIXED else None
    factor = (largest**2 - 1) / (_MIXED**2 - 1)
    text = (
        f"R̂ at most {largest:.4g}{of}"
        if holds
        else f"R̂ of {name}{of} is {largest:.4g}, above {_APART if apart else _MIXED}"
    )
    severity = max(largest - 1, 0.0) / (_APART - 1)
    return Finding("chains_disagree", holds, text, largest - 1, severity, 1.0 if holds else max(factor, 2.0))


def _size_finding(fewest: float, name: str, of: str) -> Finding:
    holds = True if fewest >= _ENOUGH else None
    text = f"bulk effective sample size at least {fewest:.0f}"
    if holds is None:
        text = f"the bulk effective sample size of {name}{of} is {fewest:.0f}, below {_ENOUGH:g}"
    return Finding("not_enough_draws", holds, text, 0.0, 0.0, max(_ENOUGH / fewest, 1.0))


def _coordinates(used: PosteriorDraws) -> tuple[Array, list[str], int]:
    """At most 256 coordinates of all draws, evenly spaced, their names, and how many there are in all."""
    wanted = np.unique(np.linspace(0, used.size - 1, min(used.size, _COORDINATES)).round().astype(int))
    parts, names, first = [], [], 0
    for name, value in used.parameters.items():
        shape = value.shape[2:]
        size = int(np.prod(shape))
        own = wanted[(wanted >= first) & (wanted < first + size)] - first
        parts.append(value.reshape(used.chains, used.draws, size)[:, :, own])
        places = zip(*np.unravel_index(own, shape), strict=True) if shape else [() for _ in own]
        names += [name + (f"[{', '.join(map(str, place))}]" if place else "") for place in places]
        first += size
    return np.concatenate(parts, axis=2, dtype=np.float64), names, used.size


def _quantities(
    draws: PosteriorDraws, quantities: Mapping[str, npt.ArrayLike]
) -> tuple[Array, list[str], int]:
    """The quantities at the draws that count, at most 256 of each, and their names."""
    check_has("quantities", quantities, "items", "arrays (chain, draw, ...) by name, or None")
    parts, names = [], []
    for name, given in quantities.items():
        value = real_numbers(f"quantity {name!r}", given)
        fits = value.shape[:2] == (draws.chains, draws.draws)
        if not fits or not np.isfinite(value[:, draws.used]).all():
            message = (
                f"quantity {name!r} has shape {value.shape}; it must be {(draws.chains, draws.draws)} or have more axes, and "
                "be finite"
            )
            raise ConfigError(message)
        flat = value.reshape(draws.chains, draws.draws, -1)[:, draws.used]
        own = np.unique(
            np.linspace(0, flat.shape[2] - 1, min(flat.shape[2], _COORDINATES)).round().astype(int)
        )
        parts.append(flat[:, :, own])
        places = zip(*np.unravel_index(own, value.shape[2:]), strict=True) if value.ndim > 2 else [()]
        names += [name + (f"[{', '.join(map(str, place))}]" if place else "") for place in places]
    if not parts:
        message = "quantities is empty; give name: array (chain, draw, ...), or None for the coordinates"
        raise ConfigError(message)
    return np.concatenate(parts, axis=2), names, len(names)
