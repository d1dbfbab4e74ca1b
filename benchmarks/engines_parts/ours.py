"""The library's engines, through `tg.run`, sampling included."""

from __future__ import annotations

import warnings

import numpy as np
import torch

import thermograd as tg
from engines_parts.peer import AbsentError, Weights
from engines_parts.timing import Effort, Speed, steps_per_second_of_differences
from engines_parts.workloads import Workload
from thermograd.dynamics import SGD
from thermograd.errors import EngineUnavailableError

LONGER_WHEN_COMPILED = 10
SHORT_STEPS = 16
MANY = 16  # trajectories; fewer are large networks, of which one step is long enough


def planned(workload: Workload, engine: str, dtype: str, sampler: str) -> tg.Plan:
    """What the experiment would run on.

    Raises:
        AbsentError: this engine or dtype cannot run here.
    """
    try:
        return tg.plan(workload.experiment(10**6, engine, dtype, sampler))
    except (EngineUnavailableError, ValueError) as cause:
        raise AbsentError(str(cause)) from cause


def one_step(
    workload: Workload, engine: str, dtype: str, sampler: str, weights: Weights
) -> tuple[Weights, np.ndarray]:
    """Weights after one update at the rate of the comparison, and the indices it used."""
    start = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    dynamics = SGD(workload.checked_rate)
    experiment = workload.experiment(1, engine, dtype, sampler, start=start, dynamics=dynamics)
    after = tg.run(experiment).weights()
    return after, experiment.indices(range(workload.trajectories), 0)


def speed(workload: Workload, engine: str, dtype: str, sampler: str, effort: Effort) -> Speed:
    """Steps of the whole ensemble per second."""
    start = {name: torch.from_numpy(value) for name, value in workload.initial_weights.items()}
    if engine == "compiled":  # each run compiles: only long ones stand out against the scatter of that
        effort = Effort(effort.repeats, LONGER_WHEN_COMPILED * effort.seconds)

    def train(steps: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tg.run(workload.experiment(steps, engine, dtype, sampler, start=start))

    unit = SHORT_STEPS if workload.trajectories >= MANY else 1
    return steps_per_second_of_differences(train, effort, unit)
