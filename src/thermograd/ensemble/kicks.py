"""Which trajectories are perturbed at which step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

Steps = npt.NDArray[np.int64]


class KickSchedule:
    """The perturbation times of an experiment, for the block that is asked about.

    Times with `resolve` are the same for all trajectories and are worked out once; the others
    (`Random`) once per block.
    """

    def __init__(self, experiment: Experiment, total: int) -> None:
        self._experiment, self._total = experiment, total
        self._common: Steps | None = np.zeros(0, np.int64)
        if experiment.perturb is not None:
            self._common = self._steps_of(0) if hasattr(experiment.perturb, "resolve") else None
        self._own: dict[int, Steps] = {}

    def steps(self, trajectories: Sequence[int]) -> Steps:
        """All steps at which any of the trajectories is perturbed, sorted."""
        if self._common is not None:
            return self._common
        if set(trajectories) - set(self._own):
            self._own = {trajectory: self._steps_of(trajectory) for trajectory in trajectories}
        return np.unique(np.concatenate([self._own[trajectory] for trajectory in trajectories]))

    def rows(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Positions of the trajectories that are perturbed at a step."""
        if self._common is not None:
            return list(range(len(trajectories))) if _holds(self._common, step) else []
        self.steps(trajectories)
        return [row for row, own in enumerate(trajectories) if _holds(self._own[own], step)]

    def _steps_of(self, trajectory: int) -> Steps:
        experiment = self._experiment
        assert experiment.perturb is not None  # only asked then
        return experiment.perturb.kicks(self._total, experiment.steps_per_epoch, experiment.seed, trajectory)


def _holds(steps: Steps, step: int) -> bool:
    place = int(np.searchsorted(steps, step))
    return place < steps.size and int(steps[place]) == step
