"""A real experiment, small enough to be run hundreds of times: parabolas, trained by a command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TinyExperiment:
    """A config for independent parabolas.

    Attributes:
        trajectories: in all.
        block_size: of one block.
        steps: updates.
        every: updates between two records.
        seconds: between two checkpoints.
        chunk: records in a chunk.
        engine: that computes it.
        minibatching: an `Ambush`, or the kind of another one.
    """

    trajectories: int = 6
    block_size: int = 2
    steps: int = 40
    every: int = 2
    seconds: float = 0.02
    chunk: int = 7
    engine: str = "eager"
    minibatching: str = "thermograd.reproductions.running_ambush:Ambush"

    @property
    def toml(self) -> str:
        """The config file."""
        return f"""
name = "tiny"
problem = "quadratic"
trajectories = {self.trajectories}
block_size = {self.block_size}
steps = {self.steps}
engine = "{self.engine}"
[[observe]]
kind = "loss"
split = "train"
at = {{ kind = "every", steps = {self.every} }}
[minibatching]
kind = "{self.minibatching}"
batch_size = 10
[store]
checkpoint_seconds = {self.seconds}
time_chunk = {self.chunk}
"""
