"""Landscape response: squared gradients of exact quadratics, with Gaussian errors; the interval of Tr(HC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coverage_cases.case import Alarm, Case, Coverage, Interval, Row
from thermograd.estimators.landscape_response import LandscapeResponse, landscape_response

Array = npt.NDArray[Any]

RATES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2])
CURVATURES = (1.0, 0.3, 0.1)
ERROR = 0.05
LINE = RATES / 2
BENT = RATES / 2 * sum(h / (1 - RATES * h / 2) for h in CURVATURES) / sum(CURVATURES)
SELECTED = (
    "the range that looks straight is chosen from the same data, so the ends of it are the likelier ones"
)
ENVELOPE = "wider on purpose: the interval allows for any bend that a quadratic loss of this largest curvature can have"
BIASED = "a quadratic bends, and without its largest curvature only a straight bend is allowed for"
UNSEEN = "wider on purpose: the lower end allows for a bend that the errors do not show"
FEW_SEEDS = "standard errors from so few seeds are uncertain themselves, and the weights prefer those that came out small; pool them or leave them out"
BEND_IN_SCATTER = (
    "without standard errors the curve of the bend enters the scatter, which widens the interval"
)

Data = tuple[Array, Array | None]


def known(truth: Array) -> Callable[[np.random.Generator], Data]:
    """Values with the standard errors they were drawn with."""
    return lambda generator: (truth * (1 + ERROR * generator.standard_normal(RATES.size)), ERROR * truth)


def unknown(truth: Array) -> Callable[[np.random.Generator], Data]:
    return lambda generator: (truth * (1 + ERROR * generator.standard_normal(RATES.size)), None)


def from_seeds(truth: Array, seeds: int) -> Callable[[np.random.Generator], Data]:
    """Mean and its standard error over seeds, one of which is known to ERROR times the root of their number."""

    def draw(generator: np.random.Generator) -> Data:
        each = truth * (1 + ERROR * np.sqrt(seeds) * generator.standard_normal((seeds, RATES.size)))
        return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(seeds)

    return draw


def pooled(truth: Array, seeds: int) -> Callable[[np.random.Generator], Data]:
    """The same, with one relative error for all rates."""

    def draw(generator: np.random.Generator) -> Data:
        mean, error = from_seeds(truth, seeds)(generator)
        return mean, mean * np.sqrt(np.mean((error / mean) ** 2))

    return draw


def fit(data: Data, largest_curvature: float | None) -> LandscapeResponse:
    return landscape_response(RATES, *data, sampling="with_replacement", largest_curvature=largest_curvature)


def trace(largest_curvature: float | None) -> Callable[[Data], list[Interval]]:
    return lambda data: [fit(data, largest_curvature).trace_hessian_noise.interval]


def said(kind: str, largest_curvature: float | None) -> Callable[[Data], list[bool]]:
    return lambda data: [fit(data, largest_curvature).verdict.kind == kind]


def trace_case(words: str, draw: Callable[..., Data], curvature: float | None, **row: Any) -> Coverage:
    return Coverage(
        f"{words}, 7 rates, error 5 %", (Row("Tr(HC)", 1.0, **row),), draw, trace(curvature), 4000
    )


CASES: list[Case] = [
    trace_case("squared gradient in proportion to the rate", known(LINE), None, why_more=UNSEEN),
    trace_case("the same without standard errors", unknown(LINE), None, why_more=UNSEEN),
    trace_case("the same, standard errors from 5 seeds", from_seeds(LINE, 5), None, why_fewer=FEW_SEEDS),
    trace_case("the same, standard errors from 30 seeds", from_seeds(LINE, 30), None, why_fewer=FEW_SEEDS),
    trace_case("the same, standard errors from 5 seeds, pooled", pooled(LINE, 5), None, why_more=UNSEEN),
    trace_case("quadratic, largest curvature 1, given", known(BENT), 1.0, why_more=ENVELOPE),
    trace_case(
        "quadratic, largest curvature 1, given, without standard errors",
        unknown(BENT),
        1.0,
        why_more=f"{ENVELOPE}; {BEND_IN_SCATTER}",
    ),
    trace_case("quadratic, largest curvature 1, not given", known(BENT), None, why_fewer=BIASED),
    Alarm(
        "squared gradient in proportion to the rate, 7 rates, error 5 %: is it called bent?",
        (Row("nonlinear", wanted=(0.0, 0.055)),),
        known(LINE),
        said("nonlinear", None),
        4000,
        speaker="landscape_response",
    ),
    Alarm(
        "quadratic, largest curvature 1, given, 7 rates, error 5 %: is it called anharmonic?",
        (Row("anharmonic", wanted=(0.0, 0.055)),),
        known(BENT),
        said("anharmonic", 1.0),
        4000,
        speaker="landscape_response",
    ),
    Alarm(
        "a bend beyond that of any quadratic of largest curvature 1, given: the squared gradient over the rate falls by half, 7 rates, "
        "error 5 %: is it called harmonic?",
        (Row("harmonic", wanted=(0.0, 0.01)),),
        known(RATES / 2 * (1 - 0.5 * RATES / RATES[-1])),
        said("harmonic", 1.0),
        4000,
        speaker="landscape_response",
    ),
]
