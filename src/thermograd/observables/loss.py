"""The loss over a whole split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thermograd.numerics.log_times import Epochs

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights


@dataclass(frozen=True)
class Loss:
    """(1/M) Σ l_i + R over a split, in evaluation mode; recorded as `train_loss` or `test_loss`.

    Attributes:
        split: "train" or "test".
        at: when.
        name: name of the record, `<split>_loss` if empty.

    Raises:
        ValueError: an unknown split.

    >>> import torch, thermograd as tg
    >>> from thermograd.minibatching import WithReplacement
    >>> problem = tg.Problem(  # l = (θ x)² for x = 1 and 2, R = 0.1 θ²
    ...     lambda: torch.nn.Linear(1, 1, bias=False),
    ...     loss=lambda outputs, targets: (outputs - targets).square().squeeze(-1),
    ...     train=(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)),
    ...     regulariser=0.1,
    ... )
    >>> settings = {"start": {"weight": torch.ones(1, 1)}, "trajectories": 1, "steps": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(problem, WithReplacement(2), observe=[Loss()], **settings))
    >>> run["train_loss"][0, 0].round(9).tolist()  # (1 + 4)/2 + 0.1
    2.6
    """

    split: str = "train"
    at: Times = field(default_factory=Epochs)
    name: str = ""

    def __post_init__(self) -> None:
        check_split(self.split)
        object.__setattr__(self, "name", self.name or f"{self.split}_loss")

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The loss of one trajectory, 0-d."""
        return problem.mean_loss(weights, problem.split(self.split))


def check_split(split: str) -> None:
    """Refuse an unknown split.

    Raises:
        ValueError: names what was got.
    """
    if split not in ("train", "test"):
        message = f"split is {split!r}; use 'train' or 'test'"
        raise ValueError(message)
