"""Laws of arrival that are known exactly, and ways of watching runs that have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.first_passage import FirstPassageTimes

Array = npt.NDArray[Any]
Law = Callable[[np.random.Generator, int], Array]


def geometric(hazard: float, delay: int = 0) -> Law:
    """T = delay + geometric: no memory after the delay."""
    return lambda generator, runs: delay + generator.geometric(hazard, runs)


def two_branch(share: float, quick: float, slow: float, delay: int = 0) -> Law:
    """T geometric with one of two hazards, the quick one after a delay."""

    def draw(generator: np.random.Generator, runs: int) -> Array:
        quickly = delay + generator.geometric(quick, runs)
        return np.where(generator.random(runs) < share, quickly, generator.geometric(slow, runs))

    return draw


def survival_of_geometric(hazard: float, horizon: int, delay: int = 0) -> Array:
    return (1.0 - hazard) ** np.maximum(np.arange(horizon + 1) - delay, 0)


def survival_of_two_branch(share: float, quick: float, slow: float, horizon: int, delay: int = 0) -> Array:
    late = (1.0 - share) * survival_of_geometric(slow, horizon)
    return share * survival_of_geometric(quick, horizon, delay) + late


def seen_until(law: Law, runs: int, horizon: int) -> Callable[[np.random.Generator], FirstPassageTimes]:
    """Runs watched until a common horizon."""

    def draw(generator: np.random.Generator) -> FirstPassageTimes:
        times = law(generator, runs)
        return FirstPassageTimes(np.minimum(times, horizon), times <= horizon, horizon)

    return draw


def stopped_early(law: Law, runs: int, horizon: int) -> Callable[[np.random.Generator], FirstPassageTimes]:
    """Half of the runs watched until the horizon, the others stopped at a uniform time before."""

    def draw(generator: np.random.Generator) -> FirstPassageTimes:
        times = law(generator, runs)
        stop = np.where(generator.random(runs) < 0.5, horizon, generator.integers(1, horizon, runs))
        stop[0] = horizon
        return FirstPassageTimes(np.minimum(times, stop), times <= stop, horizon)

    return draw


def all_seen(law: Law, runs: int) -> Callable[[np.random.Generator], FirstPassageTimes]:
    """Runs that all arrived, however late."""

    def draw(generator: np.random.Generator) -> FirstPassageTimes:
        times = law(generator, runs)
        return FirstPassageTimes(times, np.ones(runs, bool), int(times.max()))

    return draw
