"""Phases of learning: losses that are flat, long over their fall, or still falling, with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coverage_cases.case import Alarm, Case, Row
from thermograd.estimators.learning_phases import learning_phases

Array = npt.NDArray[Any]

STEPS = np.arange(10, 10_001, 10)


def noisy(mean: Array, trajectories: int, noise: float) -> Callable[[np.random.Generator], Array]:
    return lambda generator: mean + noise * generator.normal(size=(trajectories, STEPS.size))


def said(*kinds: str) -> Callable[[Array], list[bool]]:
    def raised(losses: Array) -> list[bool]:
        kind = learning_phases(STEPS, losses, resamples=200).outcome
        return [kind == one for one in kinds]

    return raised


def case(words: str, mean: Array, kinds: tuple[str, ...], trajectories: int, sets: int = 1000) -> Alarm:
    runs = "one run" if trajectories == 1 else f"{trajectories} runs"
    return Alarm(
        f"{words}, noise 0.05, 1000 records to step 10 000, {runs}",
        tuple(Row(kind, wanted=(0.0, 0.01)) for kind in kinds),
        noisy(mean, trajectories, 0.05),
        said(*kinds),
        sets,
        speaker="learning_phases",
    )


CASES: list[Case] = [
    case(words, mean, kinds, trajectories)
    for trajectories in (1, 16)
    for words, mean, kinds in (
        ("a loss that does not fall", np.ones(STEPS.size), ("slow", "still_fast")),
        (
            "a loss that falls from 1.4 to 1 with a time of 300 steps",
            1 + 0.4 * np.exp(-STEPS / 300),
            ("still_fast", "no_decrease"),
        ),
        (
            "a loss that falls from 1.4 to 1 in a straight line",
            1.4 - 0.4 * STEPS / 10_000,
            ("slow", "no_decrease"),
        ),
    )
]
