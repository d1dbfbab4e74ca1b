"""Rows of the samplers: the paper's four statements, and simulation beside exact moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from thermograd.quantities import Estimate, Verdict
from thermograd.reproductions.reproduction import Row
from thermograd.reproductions.sgworld_samplers import NAMES
from thermograd.reproductions.sgworld_theory import Theory
from thermograd.theory.posterior import ALGORITHMS

_LARGE = 1e-5
_SMALL = 1e-7


def paper_rows(theory: Theory) -> tuple[Row, ...]:
    """What the paper says of its Figure 6, beside both theories.

    Args:
        theory: of the linear regression.
    """
    return _slope_of_sgld(theory), _slope_of_sgworld(theory), _uncorrected(theory), _instability(theory)


def _slope_of_sgld(theory: Theory) -> Row:
    continuous, exact = (theory.slope(kind, "sgld") for kind in ("continuous", "exact"))
    verdict = Verdict(
        bool(abs(continuous - 2) < 0.1 and abs(exact - 2) < 0.1),
        "slope",
        "Both theories fall with the square of the learning rate",
    )
    ours = f"{continuous:.2f} continuous, {exact:.2f} exact"
    return Row("power of η in the divergence, SGLD", "~2", ours, verdict)


def _slope_of_sgworld(theory: Theory) -> Row:
    continuous = theory.slope("continuous", "sgworld")
    published, ours = (theory.slope("exact", name) for name in ("sgworld_published", "sgworld"))
    theory_agrees, algorithm_agrees = abs(continuous - 6) < 0.5, abs(published - 6) < 0.5
    said = {True: "agrees", False: "does not"}
    text = (
        f"The continuous theory {said[theory_agrees]}, the published algorithm {said[algorithm_agrees]}: its noise at the end "
        "of an epoch makes it an Euler step of length nη. With the noise spread over the steps the law is reached"
    )
    verdict = Verdict(bool(theory_agrees and algorithm_agrees), "slope", text)
    cell = f"{continuous:.2f} continuous; exact {published:.2f} as published, {ours:.2f} with the noise in every step"
    return Row("power of η in the divergence, SGWORLD", "~6", cell, verdict)


def _uncorrected(theory: Theory) -> Row:
    name = "sgworld_uncorrected"
    continuous = theory.continuous(name, _SMALL) / theory.continuous("sgld", _SMALL)
    exact = theory.exact("sgworld_published_uncorrected", _SMALL) / theory.exact("sgld", _SMALL)
    side = "times as much" if exact > 1 else "as much"
    text = f"The continuous theory is; the algorithm diverges {exact:.2g} {side} as SGLD"
    verdict = Verdict(bool(continuous < 1 and exact < 1), "uncorrected", text)
    ours = f"continuous {continuous:.2f}, exact {exact:.2f} as published"
    quantity = f"divergence without correction over that of SGLD, η = {_SMALL:g}"
    return Row(quantity, "marginally better", ours, verdict)


def _instability(theory: Theory) -> Row:
    limit = theory.published_limit
    left = {name: theory.exact(name, _LARGE) for name in ("sgld", "sgworld")}
    states = [
        f"{NAMES[name]} {'has no stationary state' if np.isnan(bits) else f'is stable but {bits:.2g} bits away'}"
        for name, bits in left.items()
    ]
    text = (
        f"As published an epoch multiplies the stiffest mode by -1 at {limit:.3g}; {' and '.join(states)} at "
        f"{_LARGE:g}"
    )
    verdict = Verdict(bool(limit > _LARGE), "instability", text)
    return Row(
        "learning rate from which SGWORLD is unstable",
        "well above 1e-5",
        f"{limit:.3g} as published",
        verdict,
    )


def divergence_rows(
    found: Mapping[tuple[str, float], Estimate], theory: Theory, rates: Sequence[float]
) -> tuple[Row, ...]:
    """Measured divergence at the first rate beside the exact one, the others in the verdict.

    Args:
        found: algorithm and rate -> measured divergence.
        theory: of the same problem.
        rates: at which there are measurements.
    """
    return tuple(_divergence(name, found, theory, rates) for name in ALGORITHMS)


def _divergence(
    name: str, found: Mapping[tuple[str, float], Estimate], theory: Theory, rates: Sequence[float]
) -> Row:
    parts, inside = [], []
    for rate in rates:
        measured, exact = found[name, rate], theory.exact(name, rate)
        inside.append(bool(measured.low <= exact <= measured.high))
        text = f"exact {exact:.3g} at {rate:g}"
        if rate != rates[0]:
            text += f" where {measured.value:.3g} ({measured.low:.3g} to {measured.high:.3g}) are measured"
        parts.append(text)
    first = found[name, rates[0]]
    ours = Estimate(first.value, first.interval, first.level, unit="bit", note=f"{100 * first.level:g} %")
    verdict = Verdict(all(inside), "simulation_and_exact_moments", "; ".join(parts))
    return Row(f"divergence of {NAMES[name]} at η = {rates[0]:g}, bits", "not stated", ours, verdict)
