"""An engine that makes updates in a faster way, and leaves all else to the reference engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from thermograd.ensemble.block import BlockState, Tensors
from thermograd.ensemble.engines.eager import EagerEngine

if TYPE_CHECKING:
    from thermograd.ensemble.engines.supplies import Drawn
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Accumulator, Observable


class Updates(Protocol):
    """Updates of a block, several in one call."""

    @property
    def name(self) -> str:
        """Name of the engine."""

    @property
    def mode(self) -> str:
        """How it works."""

    def fits(self, block: BlockState) -> bool:
        """Whether the block has the form the updates were made for; a perturbation may have changed it."""

    def longest(self, block: BlockState) -> int:
        """How many updates at most may be asked for now."""

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates, within one epoch if the dynamics has an epoch hook."""


class AcceleratedEngine:
    """Trains a block by `Updates`; starts, records, perturbations and epoch hooks are those of the reference engine.

    Args:
        experiment: what to train.
        eager: the reference engine for it.
        updates: what is faster.
    """

    def __init__(self, experiment: Experiment, eager: EagerEngine, updates: Updates) -> None:
        self.experiment = experiment
        self.name, self.mode = updates.name, updates.mode
        self._eager = eager
        self._updates = updates

    @property
    def batch_size(self) -> int:
        """Samples per update."""
        return self._eager.batch_size

    def start(self, trajectories: list[int] | range) -> BlockState:
        """The block at time 0."""
        return self._eager.start(trajectories)

    def measure(self, block: BlockState, observable: Observable | Accumulator) -> dict[str, npt.NDArray[Any]]:
        """What is read from every trajectory, by name of the record; NaN where diverged."""
        return self._eager.measure(block, observable)

    def draw(self, block: BlockState) -> Drawn:
        """The batch of the block's next update."""
        return self._eager.draw(block)

    def with_weights(self, block: BlockState, weights: Tensors, state: Tensors) -> BlockState:
        """The block with other weights and state (a perturbation), divergence looked for."""
        return self._eager.with_weights(block, weights, state)

    def advance(self, block: BlockState, steps: int) -> BlockState:
        """The block after `steps` more updates.

        Where a perturbation has changed the form of the state, or a hyperparameter that is a constant in the faster
        way, the reference engine makes the updates.
        """
        if not self._updates.fits(block):
            return self._eager.advance(block, steps)
        end = block.step + steps
        while block.step < end:
            ahead = min(end - block.step, self._updates.longest(block))
            if hasattr(self.experiment.dynamics, "epoch"):
                per_epoch = self.experiment.steps_per_epoch
                if block.step % per_epoch == 0:
                    block = self._eager.at_epoch(block)
                ahead = min(ahead, per_epoch - block.step % per_epoch)
            block = self._updates.advance(block, ahead)
        return block


def keeps_form(block: BlockState, examples: Tensors, hyperparameters: set[str]) -> bool:
    """Whether weights and state of the dynamics have the names and shapes of an update's inputs.

    Args:
        block: to be updated.
        examples: tensors of one trajectory by name, as `UpdateFunction.examples`.
        hyperparameters: those that may be changed.
    """
    if not set(block.part("hyperparameters")) <= hyperparameters:
        return False
    present = {f"weights/{name}": value for name, value in block.weights.items()}
    present |= {name: value for name, value in block.state.items() if name.startswith("optimizer/")}
    wanted = {name: value for name, value in examples.items() if name.startswith(("weights/", "optimizer/"))}
    return set(present) == set(wanted) and all(
        present[name].shape[1:] == value.shape for name, value in wanted.items()
    )
