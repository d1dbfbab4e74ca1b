"""How much an experiment has to do, as reasons for an engine say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermograd.counted import counted

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment


def batched_updates(experiment: Experiment) -> int:
    """Updates of whole blocks: steps times blocks."""
    return experiment.total_steps * -(-experiment.trajectories // experiment.block_size)


def together(experiment: Experiment) -> str:
    """The trajectories of a block, in words."""
    return counted(min(experiment.block_size, experiment.trajectories), "trajectory")
