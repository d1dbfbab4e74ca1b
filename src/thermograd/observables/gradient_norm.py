"""How steep the loss is where the weights are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.log_times import Epochs

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights

_NAMES = {"minibatch": "gradient_norm", "full": "full_gradient_norm"}


@dataclass(frozen=True)
class GradientNorm:
    """|∇L|₂ of the loss of training, regulariser included; recorded as `gradient_norm` or `full_gradient_norm`.

    Attributes:
        at: when.
        batch: "minibatch", that of the update to come, or "full", the whole training set.
        name: name of the record; as above if empty.

    Raises:
        ValueError: an unknown batch.

    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> minimum = Quadratic().build().train[0].mean(0)
    >>> start = {"position": minimum + torch.tensor([3.0, 40.0, 0.0])}  # of curvatures 1, 0.1, 0.01
    >>> settings = {"start": start, "trajectories": 1, "epochs": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(Quadratic(), observe=[GradientNorm(batch="full")], **settings))
    >>> run["full_gradient_norm"][0, 0].round(9).tolist()  # of (3, 4, 0)
    5.0
    """

    at: Times = field(default_factory=Epochs)
    batch: str = "minibatch"
    name: str = ""

    def __post_init__(self) -> None:
        if self.batch not in tuple(_NAMES):
            message = f"batch is {self.batch!r}; use 'minibatch' or 'full'"
            raise ValueError(message)
        object.__setattr__(self, "name", self.name or _NAMES[self.batch])

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The norm for one trajectory, 0-d."""
        slopes = oracle.gradient(weights) if self.batch == "minibatch" else oracle.full_gradient(weights)
        return torch.stack([slope.square().sum() for slope in slopes.values()]).sum().sqrt()
