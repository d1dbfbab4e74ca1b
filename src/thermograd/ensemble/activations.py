"""The hidden layers of trajectories with what the coming minibatch passes through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from thermograd.ensemble.block import BlockState, part
from thermograd.ensemble.seeds import random_forward
from thermograd.perturbations.hidden_layers import HiddenLayers

if TYPE_CHECKING:
    from thermograd.ensemble.plan import Engine
    from thermograd.protocols import HiddenLayer


def hidden_layers_of(engine: Engine, block: BlockState) -> Callable[[int], tuple[HiddenLayer, ...]]:
    """A function from the row of a trajectory to its hidden layers.

    The pass is one of training, with buffers and random state of its own: it leaves no trace.

    Args:
        engine: trains the block.
        block: not yet updated.

    Returns:
        The function.

    Raises:
        ValueError: the problem is a function, not a module.
    """
    experiment, batch = engine.experiment, engine.draw(block)
    problem = experiment.functional
    module = problem.module
    if module is None:
        message = (
            "this perturbation looks at hidden layers, and a problem given by forward= has no modules; give "
            "model= instead"
        )
        raise ValueError(message)

    def of_row(row: int) -> tuple[HiddenLayer, ...]:
        inputs = problem.train[0][batch.row(row).tensors(problem)["indices"][0]]
        weights = {name: value[row] for name, value in block.weights.items()}
        buffers = {name: value[row].clone() for name, value in part(block.state, "buffers").items()}
        watching = HiddenLayers(module)
        try:
            with torch.no_grad(), random_forward(experiment.seed, block.trajectories[row], block.step, 3):
                problem.with_buffers(buffers).outputs(weights, inputs, training=True)
            return watching.last()
        finally:
            watching.remove()

    return of_row
