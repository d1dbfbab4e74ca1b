"""The share of samples classified correctly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from thermograd.numerics.log_times import Epochs
from thermograd.observables.loss import check_split

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights


@dataclass(frozen=True)
class Accuracy:
    """Share of samples whose largest output is at the target class, between 0 and 1.

    Attributes:
        split: "train" or "test".
        at: when.
        name: name of the record, `<split>_accuracy` if empty.
        bounds: between which every value lies; a target outside is refused.

    Raises:
        ValueError: an unknown split.

    >>> import thermograd as tg
    >>> from thermograd.minibatching import WithReplacement
    >>> data = torch.tensor([[2.0, 1.0], [1.0, 2.0], [3.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1, 1, 1])
    >>> problem = tg.Problem(
    ...     lambda: torch.nn.Linear(2, 2, bias=False),
    ...     loss=torch.nn.CrossEntropyLoss(reduction="none"),
    ...     train=data,
    ...     test=data,
    ... )
    >>> settings = {"start": {"weight": torch.eye(2)}, "trajectories": 1, "steps": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(problem, WithReplacement(4), observe=[Accuracy()], **settings))
    >>> run["test_accuracy"][0, 0].tolist()  # the class is where the larger input is, but for one of four
    0.75
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    split: str = "test"
    at: Times = field(default_factory=Epochs)
    name: str = ""

    def __post_init__(self) -> None:
        check_split(self.split)
        object.__setattr__(self, "name", self.name or f"{self.split}_accuracy")

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The accuracy of one trajectory, 0-d.

        Raises:
            ValueError: the targets are no classes, or the outputs no scores per class.
        """
        inputs, targets = problem.split(self.split)
        if targets.is_floating_point() or targets.ndim != 1:
            message = (
                f"accuracy needs integer class targets of shape (samples,); the {self.split} targets are "
                f"{targets.dtype} {tuple(targets.shape)}. Record Loss instead"
            )
            raise ValueError(message)
        outputs = problem.outputs(weights, inputs)
        if outputs.ndim != 2:
            message = f"accuracy needs outputs (samples, classes); got shape {tuple(outputs.shape)}"
            raise ValueError(message)
        return (outputs.argmax(dim=1) == targets).to(torch.float64).mean()
