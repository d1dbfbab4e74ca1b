"""How far the decision boundary is from the training samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.log_times import Epochs

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights


@dataclass(frozen=True)
class BoundaryWidth:
    """Mean over the training samples of margin/|∇margin|, the gradient that in the inputs: a distance in input space.

    To first order it is the signed distance of a sample to the decision boundary, negative where it is on the wrong side.
    The margin is y f for targets y = ±1 and one output f, and the logit of the true class less the best other for
    classes. For the linear model f = w·x/√d it is exactly ⟨y f⟩/√(|w|²/d).
    Where a margin does not depend on the inputs (dead units) the distance is infinite, and so is the mean; NaN where such a
    margin is 0, or two of them have opposite signs.

    Attributes:
        at: when.
        name: name of the record.

    >>> import thermograd as tg
    >>> from thermograd.minibatching import WithReplacement
    >>> problem = tg.Problem(  # f = 3 x + 4 y
    ...     lambda: torch.nn.Linear(2, 1, bias=False),
    ...     loss=lambda outputs, targets: torch.nn.functional.softplus(-margin(outputs, targets)),
    ...     train=(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]), torch.tensor([1.0, 1.0])),
    ... )
    >>> start = {"weight": torch.tensor([[3.0, 4.0]])}
    >>> settings = {"start": start, "trajectories": 1, "steps": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(problem, WithReplacement(2), observe=[BoundaryWidth()], **settings))
    >>> run["boundary_width"][0, 0].round(9).tolist()  # mean of 7/5 and −3/5, which is on the wrong side
    0.4
    """

    at: Times = field(default_factory=Epochs)
    name: str = "boundary_width"

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> Tensor:
        """The width of one trajectory, 0-d, in evaluation mode.

        Raises:
            ValueError: inputs that have no gradient, or targets that are neither ±1 nor classes.
        """
        inputs, targets = problem.train
        if not inputs.is_floating_point():
            message = f"boundary_width needs inputs that can be moved; the training inputs are {inputs.dtype}"
            raise ValueError(message)
        _check_targets(targets)

        def margins(moved: Tensor) -> tuple[Tensor, Tensor]:
            found = margin(problem.outputs(weights, moved), targets)
            return found.sum(), found

        slopes, found = torch.func.grad(margins, has_aux=True)(inputs)
        steepness = torch.linalg.vector_norm(slopes.reshape(len(found), -1), dim=1)
        return torch.mean(found / steepness)


def margin(outputs: Tensor, targets: Tensor) -> Tensor:
    """Y f, or the logit of the true class less the best other, `(m,)`.

    Args:
        outputs: `(m,)` or `(m, 1)` with targets ±1, `(m, classes)` with classes.
        targets: as many.

    Raises:
        ValueError: outputs of another shape, or a label that is no class.

    >>> margin(torch.tensor([[2.0, 5.0, 1.0]]), torch.tensor([0])), margin(torch.tensor([3.0]), torch.tensor([-1.0]))
    (tensor([-3.]), tensor([-3.]))
    """
    for name, value in (("outputs", outputs), ("targets", targets)):
        check_has(name, value, "is_floating_point", "a tensor")
    classes = not targets.is_floating_point()
    if classes and outputs.ndim == 2 and outputs.shape[1] > 1 and targets.shape == outputs.shape[:1]:
        _check_labels(targets, outputs.shape[1])
        true = targets[:, None] == torch.arange(outputs.shape[1], device=targets.device)
        return torch.where(true, outputs, 0).sum(1) - outputs.masked_fill(true, -torch.inf).amax(1)
    if not classes and outputs.numel() == len(outputs) == targets.numel():
        return outputs.reshape(-1) * targets.reshape(-1)
    message = (
        f"boundary_width needs one output with targets ±1, or (samples, classes) with class numbers; got outputs "
        f"{tuple(outputs.shape)} and {targets.dtype} targets {tuple(targets.shape)}"
    )
    raise ValueError(message)


def _check_labels(targets: Tensor, classes: int) -> None:
    low, high = (int(targets.min()), int(targets.max())) if len(targets) else (0, 0)
    if not 0 <= low <= high < classes:
        message = (
            f"boundary_width needs labels from 0 to {classes - 1}, one for each of the {classes} outputs; the targets go "
            f"from {low} to {high}"
        )
        raise ValueError(message)


def _check_targets(targets: Tensor) -> None:
    if targets.is_floating_point() and not bool((targets.abs() == 1).all()):
        message = (
            "boundary_width needs targets ±1, or class numbers (integers); the training targets are neither"
        )
        raise ValueError(message)
