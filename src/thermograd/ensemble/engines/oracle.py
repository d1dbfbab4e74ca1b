"""What an update may ask about the loss of one trajectory, for the eager engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Weights

LossOfWeights = Callable[["Weights"], Tensor]


class Demand(NamedTuple):
    """Something the host must supply before a step: "batch", "minibatch", "pair", "normal" or "start"."""

    kind: str
    number: int = 0


class InputNeededError(Exception):
    """Raised inside a step when it asks for something that was not supplied; the engine then supplies it."""

    def __init__(self, demand: Demand) -> None:
        super().__init__(f"{demand.kind} {demand.number}")
        self.demand = demand


class EagerOracle:
    """Losses, gradients and random numbers of one trajectory at one step.

    Args:
        problem: the problem, bound to the trajectory's buffers where they change.
        supplied: tensors by demand; a batch has `indices`, or `inputs` and `targets`, and maybe `weights`.
        batch_size: m.
        steps_per_epoch: updates per epoch.
        functional: whether gradients are taken by `torch.func` (inside a `vmap`) or by plain autograd,
            which also lets the forward pass change buffers.
        first_draw: offset of `normal`'s draws, so that an epoch hook and an update do not share them.
    """

    def __init__(
        self,
        problem: FunctionalProblem,
        supplied: dict[Demand, dict[str, Tensor]],
        *,
        batch_size: int,
        steps_per_epoch: int,
        functional: bool,
        first_draw: int = 0,
    ) -> None:
        self.samples = problem.samples
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self._problem = problem
        self._supplied = supplied
        self._functional = functional
        self._first_draw = first_draw
        self._taken: tuple[tuple[Tensor, ...], Weights] | None = None

    def _need(self, kind: str, number: int = 0) -> dict[str, Tensor]:
        demand = Demand(kind, number)
        if demand not in self._supplied:
            raise InputNeededError(demand)
        return self._supplied[demand]

    def _batch_loss(self, batch: dict[str, Tensor]) -> LossOfWeights:
        if "indices" in batch:
            inputs, targets = self._problem.gradients.train
            data = inputs[batch["indices"]], targets[batch["indices"]]
        else:
            data = batch["inputs"], batch["targets"]
        return lambda weights: self._problem.training_loss(weights, data, batch.get("weights"))

    @property
    def loss(self) -> LossOfWeights:
        """The loss of this step's minibatch, regulariser included."""
        return self._batch_loss(self._need("batch"))

    @property
    def full_loss(self) -> LossOfWeights:
        """The loss of the whole training set, regulariser included."""
        return lambda weights: self._problem.training_loss(weights, self._problem.gradients.train)

    def minibatch(self, position: int) -> LossOfWeights:
        """The loss of the minibatch at a position of this epoch."""
        return self._batch_loss(self._need("minibatch", position))

    def disjoint_pair(self, epoch: int) -> tuple[LossOfWeights, LossOfWeights]:
        """The losses of two disjoint minibatches, independent of the epoch's order."""
        both = self._need("pair", epoch)
        first, second = torch.split(both["indices"], self.batch_size)
        return self._batch_loss({"indices": first}), self._batch_loss({"indices": second})

    def gradient(self, weights: Weights) -> Weights:
        """The gradient of `loss`."""
        found = self._gradient(self.loss, weights)
        if self._taken is None:
            self._taken = tuple(weights.values()), found
        return found

    def gradient_taken_at(self, weights: Weights) -> Weights | None:
        """The first gradient that was asked for, if it was asked for at these very weights."""
        if self._taken is None:
            return None
        places, found = self._taken
        same = all(a is b for a, b in zip(places, weights.values(), strict=True))
        return found if same else None

    def full_gradient(self, weights: Weights) -> Weights:
        """The gradient of `full_loss`."""
        return self._gradient(self.full_loss, weights)

    def normal(self, draw: int = 0) -> Weights:
        """Standard normals shaped like the weights; `draw` tells several of one step apart."""
        return self._need("normal", self._first_draw + draw)

    def start_weights(self) -> Weights:
        """The trajectory's weights at time 0."""
        return self._need("start")

    def _gradient(self, loss: LossOfWeights, weights: Weights) -> Weights:
        if self._functional:
            slopes: Weights = torch.func.grad(loss)(weights)
            return slopes
        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        with torch.enable_grad():
            value = loss(leaves)
        return dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))
