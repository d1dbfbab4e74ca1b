"""Direct simulation: the same settings in finitely many dimensions, one draw of the data after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import stdtrit
from torch import nn

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.ensemble.temperature_probe import measure_temperature
from thermograd.ensemble.temperature_reading import TemperatureReading
from thermograd.estimators import effective_temperature, replica_distance
from thermograd.estimators.effective_temperature import EffectiveTemperature
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables.boundary_width import BoundaryWidth
from thermograd.observables.replica_distance import ReplicaDistance
from thermograd.problems.gaussian_mixture import GaussianMixture
from thermograd.quantities import Estimate
from thermograd.reproductions.effective_noise_settings import (
    HORIZON,
    LAGS,
    WAITING,
    Setting,
    Sizes,
    over_parametrised,
    under_parametrised,
)
from thermograd.theory.mean_field import generalization_error

if TYPE_CHECKING:
    from thermograd.protocols import Minibatching

Array = npt.NDArray[Any]

CURVES = ("overlap", "norm_squared", "train_loss", "generalization_error", "replica_distance")


@dataclass(frozen=True, eq=False)
class Simulated:
    """One setting, under several draws of the data, which are the rows of all arrays.

    Attributes:
        setting: it.
        times: of the curves, steps.
        curves: names as in `MeanField` -> mean over the replicas, `(draw, time)`.
        readings: of the temperature, one a draw.
    """

    setting: Setting
    times: npt.NDArray[np.int64]
    curves: Mapping[str, Array]
    readings: tuple[TemperatureReading, ...]

    @property
    def temperature(self) -> EffectiveTemperature:
        """Of all draws together."""
        return effective_temperature.estimate(
            [reading.displacement for reading in self.readings],
            [reading.response for reading in self.readings],
            half_step=False,
            noise_memory=self.setting.point.noise_memory,
        )

    def temperatures(self, which: str) -> Array:
        """Of each draw: "short", "fit" or "long", `(draw,)`; NaN where a reading gives none."""
        found = [getattr(reading, which) for reading in self.readings]
        return np.array([np.nan if one is None else one.value for one in found], float)


def simulated(setting: Setting, sizes: Sizes, seed: int) -> Simulated:
    """Train replicas on each draw of the data, then measure the temperature at the age `WAITING`/η.

    Args:
        setting: what is trained.
        sizes: how much.
        seed: of all randomness but the data.
    """
    curves: dict[str, list[Array]] = {name: [] for name in CURVES}
    readings = []
    for data_seed in range(sizes.data_seeds):
        problem = under_parametrised(sizes.dimension, data_seed)
        steps = setting.steps(WAITING + LAGS)
        found = run(
            Experiment(
                problem,
                minibatching=setting.minibatching,
                dynamics=SGD(setting.learning_rate),
                observe=[ReplicaDistance(at=Every(setting.steps(1)))],
                trajectories=sizes.replicas,
                steps=steps,
                start="shared",
                seed=seed + 1000 * data_seed,
                engine="eager",
            )
        )
        weights, times = found["replica_distance"], found.times("replica_distance")
        for name, curve in curves_of(problem, weights).items():
            curves[name].append(curve)
        early = int(np.searchsorted(times, setting.steps(WAITING / 2)))
        readings.append(reading_of(problem, setting, weights[0, early], sizes.windows, seed + data_seed))
    arrays = {name: np.array(rows) for name, rows in curves.items()}
    return Simulated(setting, times, arrays, tuple(readings))


def curves_of(problem: GaussianMixture, weights: Array) -> dict[str, Array]:
    """Means over replicas at every time, of the linear classifier.

    Args:
        problem: two clusters, logistic loss.
        weights: `(replica, time, d)`.
    """
    direction = problem.draw(problem.data_seed)[2]
    overlap, norm = weights @ direction / problem.dimension, np.square(weights).mean(axis=2)
    margins = margins_of(problem, weights)
    distance = replica_distance.estimate(weights, problem.dimension)
    return {
        "overlap": overlap.mean(axis=0),
        "norm_squared": norm.mean(axis=0),
        "train_loss": np.logaddexp(0.0, -margins).mean(axis=(0, 2)),
        "generalization_error": generalization_error(overlap, norm, problem).mean(axis=0),
        "replica_distance": np.asarray(distance.value),
    }


def margins_of(problem: GaussianMixture, weights: Array) -> Array:
    """Y h of all training samples of two clusters, `(..., samples)`.

    Args:
        problem: with its data.
        weights: `(..., d)`.
    """
    inputs, labels, _ = problem.draw(problem.data_seed)
    margins: Array = labels * (weights @ inputs.T) / math.sqrt(problem.dimension)
    return margins


def reading_of(
    problem: GaussianMixture, setting: Setting, start: Array, windows: int, seed: int
) -> TemperatureReading:
    """`measure_temperature` from weights of half the waiting time on.

    Args:
        problem: two clusters, logistic loss.
        setting: batches and learning rate.
        start: w, `(d,)`.
        windows: with noise of their own.
        seed: of this noise.
    """
    inputs, labels, _ = problem.draw(problem.data_seed)
    model = nn.Linear(problem.dimension, 1, bias=False, device="meta", dtype=torch.float64).to_empty(
        device="cpu"
    )
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(start))

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        margins = outputs[:, 0] * targets
        return problem.samples * torch.logaddexp(torch.zeros_like(margins), -margins)

    return measure_temperature(
        model,
        loss,
        (torch.from_numpy(inputs / math.sqrt(problem.dimension)), torch.from_numpy(labels)),
        learning_rate=setting.learning_rate,
        weight_decay=problem.weight_decay,
        minibatching=setting.minibatching,
        burn_in=setting.steps(WAITING / 2),
        windows=windows,
        lags=setting.steps(LAGS),
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class Interpolated:
    """One setting of the over-parametrised problem, rows are draws of the data, the same for all settings.

    Attributes:
        name: of the setting.
        distance: between replicas at `HORIZON`/η, `(draw,)`.
        last_distance: at the end, `(draw,)`.
        width: of the boundary at the end, mean over replicas, `(draw,)`.
        error: training error at the end, mean over replicas, `(draw,)`.
    """

    name: str
    distance: Array
    last_distance: Array
    width: Array
    error: Array


def interpolated(setting: Setting | None, sizes: Sizes, seed: int) -> Interpolated:
    """Train replicas on each draw of the data until they interpolate.

    Args:
        setting: what is trained; None for gradient descent.
        sizes: how much.
        seed: of all randomness but the data.
    """
    rows = []
    chosen = setting or Setting()
    rule: Minibatching = WithReplacement(None) if setting is None else setting.minibatching
    early = chosen.steps(HORIZON)
    for data_seed in range(sizes.width_seeds):
        problem = over_parametrised(sizes.dimension, data_seed)
        found = run(
            Experiment(
                problem,
                minibatching=rule,
                dynamics=SGD(chosen.learning_rate),
                observe=[
                    ReplicaDistance(at=At((early, sizes.width_steps))),
                    BoundaryWidth(at=At((sizes.width_steps,))),
                ],
                trajectories=sizes.replicas,
                steps=sizes.width_steps,
                start="shared",
                seed=seed + 1000 * data_seed,
                engine="eager",
            )
        )
        distance = np.asarray(replica_distance.estimate(found["replica_distance"], sizes.dimension).value)
        error = np.mean(margins_of(problem, found["replica_distance"][:, -1]) < 0)
        rows.append((distance[0], distance[-1], found["boundary_width"][:, -1].mean(), error))
    columns = np.array(rows).T
    return Interpolated("gradient descent" if setting is None else setting.name, *columns)


def mean_over_draws(values: Array, level: float = 0.95) -> Estimate:
    """Mean over draws of the data with Student's interval, of numbers or curves `(draw, ...)`.

    Args:
        values: one row a draw.
        level: of the interval.

    >>> print(mean_over_draws(np.array([1.0, 2.0, 3.0])))  # 2 ± 4.30/√3
    2 (-0.4841 to 4.484 at 95 %), from 3 pieces
    """
    count = len(values)
    half = stdtrit(count - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / math.sqrt(count)
    mean = values.mean(axis=0)
    found = Estimate(mean, (mean - half, mean + half), level, pieces=count)
    if np.ndim(mean):
        return found
    return replace(found, value=float(mean), interval=(float(mean - half), float(mean + half)))
