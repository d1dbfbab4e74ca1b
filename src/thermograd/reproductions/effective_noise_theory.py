"""Mean-field theory of every setting: temperature, replica distance, and how training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.temperature_sweep import temperature_of
from thermograd.estimators.effective_temperature import EffectiveTemperature, estimate
from thermograd.quantities import Estimate, Prediction
from thermograd.reproductions.effective_noise_settings import (
    HORIZON,
    LAGS,
    WAITING,
    Setting,
    Sizes,
    over_parametrised,
    under_parametrised,
)
from thermograd.theory import mean_field
from thermograd.theory.mean_field_solution import MeanField

Array = npt.NDArray[Any]

_MORE = 4
"""Times as many response paths for interpolation, where errors of the memory kernel add up."""


@dataclass(frozen=True, eq=False)
class Theory:
    """What is predicted of one setting.

    Attributes:
        setting: it.
        solution: two replicas.
        temperature: of it.
        distance: between the replicas at its last step but one.
    """

    setting: Setting
    solution: MeanField
    temperature: EffectiveTemperature
    distance: Estimate

    @property
    def distances(self) -> Array:
        """At the same step, of each solution, `(solution,)`."""
        distance = self.solution.replica_distance
        assert distance is not None  # two replicas were solved
        return distance[:, self.solution.steps - 1]

    def solver_temperatures(self, which: str) -> Array:
        """Of each solution by itself: "short", "fit" or "long", `(solution,)`; NaN where there is none.

        Args:
            which: of the three.
        """
        waiting = self.setting.steps(WAITING)
        memory = self.setting.point.noise_memory
        rows = zip(*self.solution.displacement_and_response(waiting), strict=True)
        found = [getattr(estimate(*row, noise_memory=memory), which) for row in rows]
        return np.array([np.nan if one is None else one.value for one in found], float)


def theory_of(
    settings: Sequence[Setting], sizes: Sizes, seed: int, *, interpolating: bool = False
) -> dict[Setting, Theory]:
    """Solve each setting.

    Args:
        settings: them.
        sizes: how much is computed.
        seed: of the paths.
        interpolating: over-parametrised, up to `HORIZON`/η; else up to `WAITING` and `LAGS`.

    Returns:
        Predictions by setting.
    """
    problem = (over_parametrised if interpolating else under_parametrised)(sizes.dimension)
    waiting = HORIZON / 2 if interpolating else WAITING
    horizon = HORIZON if interpolating else WAITING + LAGS
    found = {}
    for setting in settings:
        solution = mean_field.solve(
            problem,
            learning_rate=setting.learning_rate,
            steps=setting.steps(horizon) + 1,
            selection=setting.point.selection,
            batch_fraction=setting.batch_fraction,
            persistence=setting.persistence,
            replicas=2,
            paths=sizes.paths,
            response_paths=sizes.response_paths * (_MORE if interpolating else 1),
            seeds=sizes.seeds,
            seed=seed,
        )
        found[setting] = Theory(
            setting,
            solution,
            temperature_of(solution, setting.point, setting.steps(waiting)),
            as_estimate(solution.prediction("replica_distance", setting.steps(horizon)), sizes.seeds),
        )
    return found


def as_estimate(prediction: Prediction, solutions: int) -> Estimate:
    """A number of the theory with the scatter of its paths as interval.

    Args:
        prediction: with an interval.
        solutions: that it is the mean of.
    """
    assert prediction.interval is not None
    low, high = prediction.interval
    return Estimate(
        float(prediction.value),
        (max(float(low), 0.0), float(high)),
        pieces=solutions,
        samples=prediction.samples,
    )
