"""Posterior sampling: draws that are exact, too hot, too cold, or apart, and what `convergence` says of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from coverage_cases.case import Alarm, Case, Row
from thermograd.estimators.posterior_draws import PosteriorDraws

CURVATURES = np.array([1.0, 10.0, 100.0])
WRONG = ("too_hot", "too_cold", "still_relaxing", "chains_disagree")

Draw = Callable[[np.random.Generator], PosteriorDraws]


def chains(
    count: int,
    draws: int,
    *,
    heat: float = 1.0,
    memory: float = 0.0,
    start: float | None = None,
    apart: float = 0.0,
) -> Draw:
    """Autoregressive chains in a quadratic U, their variance times `heat`, the last one `apart` standard deviations off.

    They begin in the stationary state, or `start` standard deviations from the minimum in every direction.
    """

    def drawn(generator: np.random.Generator) -> PosteriorDraws:
        normal = generator.normal(size=(count, draws, CURVATURES.size))
        normal[:, 1:] *= np.sqrt(1 - memory**2)
        if start is not None:
            normal[:, 0] = start
        places = lfilter([1.0], [1.0, -memory], normal, axis=1)
        places[-1] += apart
        points = places * np.sqrt(heat / CURVATURES)
        parts = CURVATURES * np.square(points)
        return PosteriorDraws({"weight": points}, potential=parts.sum(axis=2) / 2, virial=parts.sum(axis=2))

    return drawn


def converged(draws: PosteriorDraws) -> list[bool]:
    return [draws.convergence().kind == "converged"]


def wrong(draws: PosteriorDraws) -> list[bool]:
    kind = draws.convergence().kind
    return [kind in WRONG, *(kind == one for one in WRONG)]


EXACT = (
    Row("no: any of these", wanted=(0.0, 0.055)),
    *(Row(kind, wanted=(0.0, 0.055)) for kind in WRONG),
)


def passed(law: str, draw: Draw, most: float = 0.01) -> Alarm:
    return Alarm(law, (Row("converged", wanted=(0.0, most)),), draw, converged, speaker="convergence")


CASES: list[Case] = [
    *(
        Alarm(f"exact draws of 3 weights, {words}", EXACT, draw, wrong, speaker="convergence")
        for words, draw in (
            ("8 chains of 2000", chains(8, 2000)),
            ("8 chains of 2000, correlation 0.9 from draw to draw", chains(8, 2000, memory=0.9)),
            ("4 chains of 12", chains(4, 12)),
        )
    ),
    passed(
        "variance 1.05 times that of the posterior, the tolerance itself, 8 chains of 2000",
        chains(8, 2000, heat=1.05),
        0.055,
    ),
    passed("variance 1.08 times that of the posterior, 8 chains of 2000", chains(8, 2000, heat=1.08)),
    passed("variance 0.92 times that of the posterior, 8 chains of 2000", chains(8, 2000, heat=0.92)),
    passed(
        "begun 10 standard deviations off, correlation 0.99, 64 chains of 300",
        chains(64, 300, memory=0.99, start=10.0),
    ),
    passed("one of 8 chains half a standard deviation off, 8 chains of 2000", chains(8, 2000, apart=0.5)),
]
