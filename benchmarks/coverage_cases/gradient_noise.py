"""Gradient noise: Gaussian gradients of two halves whose trace and mean are known; every interval of the noise scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coverage_cases.case import Alarm, Case, Coverage, Interval, Row
from thermograd.estimators.gradient_noise import GradientNoise, gradient_noise_scale

Array = npt.NDArray[Any]
Blocks = tuple[Array, Array]

HALF = 10
EACH = 10
SPECTRUM = np.exp(-np.arange(100) / 25)
SPREAD = np.sqrt(SPECTRUM / SPECTRUM.sum() / HALF)  # the trace of one sample is 1


def blocks(squared: float, count: int) -> Callable[[np.random.Generator], Blocks]:
    """Block means of trace and squared gradient, whose true values are 1 and `squared`."""

    def draw(generator: np.random.Generator) -> Blocks:
        halves = generator.normal(size=(2, count, EACH, SPREAD.size)) * SPREAD
        halves[..., 0] += np.sqrt(squared)
        noise = HALF / 2 * ((halves[0] - halves[1]) ** 2).sum(axis=-1)
        return noise.mean(axis=1), (halves[0] * halves[1]).sum(axis=-1).mean(axis=1)

    return draw


def relaxing(squared: float, count: int, correlation: float) -> Callable[[np.random.Generator], Blocks]:
    """The same with a mean gradient that fluctuates along one direction, correlated from block to block."""

    def draw(generator: np.random.Generator) -> Blocks:
        trace, product = blocks(0.0, count)(generator)
        position = generator.normal(size=count)
        for block in range(1, count):
            kick = np.sqrt(1 - correlation**2) * position[block]
            position[block] = correlation * position[block - 1] + kick
        return trace, product + squared * position**2

    return draw


def noise(data: Blocks) -> GradientNoise:
    return gradient_noise_scale(*data)


def intervals(data: Blocks) -> list[Interval]:
    found = noise(data)
    return [
        found.trace.interval,
        found.squared_gradient.interval,
        found.noise_scale.interval,
        (found.noise_scale.low, np.inf),
    ]


def rows(squared: float, **row: Any) -> tuple[Row, ...]:
    return (
        Row("trace", 1.0),
        Row("squared gradient", squared, **row),
        Row("noise scale", 1.0 / squared, **row),
        Row("lower end of the noise scale", 1.0 / squared, (0.96, 0.99), **row),
    )


def resolved(data: Blocks) -> list[bool]:
    return [noise(data).verdict.kind == "gradient_resolved"]


WORDS = "Gaussian gradients of 100 parameters, halves of 10 samples, 10 measurements a block"
CORRELATED = "blocks must be long against the correlation time; here neighbours are correlated by 0.9"
FLUCTUATING = "the squared gradient itself fluctuates with a skewed law (χ² of 1 degree of freedom)"

CASES: list[Case] = [
    *(
        Coverage(
            f"{WORDS}, {count} blocks, noise scale {1 / squared:.4g}",
            rows(squared),
            blocks(squared, count),
            intervals,
            4000,
        )
        for squared, count in ((0.2, 4), (0.2, 16), (0.02, 16), (0.02, 64))
    ),
    Coverage(
        f"{WORDS}, 32 blocks, a mean gradient that fluctuates from block to block, noise scale 50",
        rows(0.02, why_fewer=FLUCTUATING),
        relaxing(0.02, 32, 0.0),
        intervals,
        4000,
    ),
    Coverage(
        f"{WORDS}, 32 blocks, the same with correlation 0.9 from block to block, noise scale 50",
        rows(0.02, why_fewer=CORRELATED),
        relaxing(0.02, 32, 0.9),
        intervals,
        4000,
    ),
    Alarm(
        f"{WORDS}, 16 blocks, no mean gradient: is it called resolved?",
        (Row("gradient_resolved", wanted=(0.0, 0.035)),),
        blocks(0.0, 16),
        resolved,
        4000,
        speaker="gradient_noise_scale",
    ),
]
