"""Which trajectories are perturbed at which step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

Steps = npt.NDArray[np.int64]


class Schedule(Protocol):
    """When a perturbation acts on which trajectories of a block."""

    perturbation: Any

    def steps(self, trajectories: Sequence[int], until: int) -> Steps:
        """All steps before `until` at which any of the trajectories is acted on, sorted."""

    def acted_on(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Positions of the trajectories that are acted on at a step."""

    def due(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Positions of those whose kick is due, among these."""


class KickSchedule:
    """The perturbation times of an experiment, for the block that is asked about.

    Times with `resolve` are the same for all trajectories and are worked out once; the others
    (`Random`) once per block.

    Args:
        experiment: its `perturb` says when.
        total: steps of the run.
        from_first_kick: whether a perturbation that acts at every step begins with the first kick, instead of
            at step 0: before it training is the unperturbed one.
    """

    def __init__(self, experiment: Experiment, total: int, *, from_first_kick: bool = False) -> None:
        self.perturbation = experiment.perturbation
        self._every_step = bool(getattr(self.perturbation, "every_step", False))
        self._continuous = from_first_kick and bool(getattr(self.perturbation, "continuous", False))
        self._from_first_kick = from_first_kick
        self._experiment, self._total = experiment, total
        self._common: Steps | None = np.zeros(0, np.int64)
        if experiment.perturb is not None:
            self._common = self._steps_of(0) if hasattr(experiment.perturb, "resolve") else None
        self._own: dict[int, Steps] = {}

    def steps(self, trajectories: Sequence[int], until: int) -> Steps:
        """All steps before `until` at which any of the trajectories is acted on, sorted."""
        if self._every_step:
            return np.arange(self._begin(trajectories), until)
        if self._common is not None:
            return self._common
        self._know(trajectories)
        return np.unique(np.concatenate([self._own[trajectory] for trajectory in trajectories]))

    def acted_on(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Positions of the trajectories that are acted on at a step."""
        if not self._every_step:
            return self.due(step, trajectories)
        return [row for row, own in enumerate(trajectories) if step >= self._begin([own])]

    def due(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Positions of the trajectories whose kick is due at a step."""
        if self._continuous:
            return self.acted_on(step, trajectories)
        if self._common is not None:
            return list(range(len(trajectories))) if _holds(self._common, step) else []
        self._know(trajectories)
        return [row for row, own in enumerate(trajectories) if _holds(self._own[own], step)]

    def _begin(self, trajectories: Sequence[int]) -> int:
        """From when on a perturbation that acts at every step does, for the first of these."""
        if not self._from_first_kick:
            return 0
        if self._common is None:
            self._know(trajectories)
        kicks = [self._own[own] if self._common is None else self._common for own in trajectories]
        return min((int(times[0]) for times in kicks if times.size), default=self._total)

    def _know(self, trajectories: Sequence[int]) -> None:
        if set(trajectories) - set(self._own):
            self._own = {trajectory: self._steps_of(trajectory) for trajectory in trajectories}

    def _steps_of(self, trajectory: int) -> Steps:
        experiment = self._experiment
        assert experiment.perturb is not None  # only asked then
        return experiment.perturb.kicks(self._total, experiment.steps_per_epoch, experiment.seed, trajectory)


class SingleKick:
    """One kick of everybody at one step; what acts at every step goes on from there.

    Args:
        perturbation: what is done.
        step: when.
    """

    def __init__(self, perturbation: Any, step: int) -> None:
        self.perturbation, self._step = perturbation, step
        self._every_step = bool(getattr(perturbation, "every_step", False))
        self._continuous = bool(getattr(perturbation, "continuous", False))

    def steps(self, trajectories: Sequence[int], until: int) -> Steps:
        """The step, and all after it before `until` if the perturbation acts at every step."""
        del trajectories
        return np.arange(self._step, until if self._every_step else self._step + 1)

    def acted_on(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Everybody, if the perturbation acts at the step."""
        acts = step == self._step or (self._every_step and step > self._step)
        return list(range(len(trajectories))) if acts else []

    def due(self, step: int, trajectories: Sequence[int]) -> list[int]:
        """Everybody at the step of the kick; at every later one too if the perturbation is continuous."""
        now = step == self._step or (self._continuous and step > self._step)
        return list(range(len(trajectories))) if now else []


def _holds(steps: Steps, step: int) -> bool:
    place = int(np.searchsorted(steps, step))
    return place < steps.size and int(steps[place]) == step
