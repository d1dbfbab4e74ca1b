"""`Problem`: a model, a per-sample loss and data, from which an ensemble is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from thermograd.numerics.argument_kind import check_number, value_in_words
from thermograd.problems.tensor_data import as_tensor, long_labels

if TYPE_CHECKING:
    from thermograd.protocols import Weights

Data = tuple[Tensor, Tensor]
DTYPES = ("float64", "float32", "mixed")


@dataclass(frozen=True, eq=False)
class Problem:
    """What is learned: minibatch loss L_B(θ) = (1/m) Σ_{i∈B} l_i(θ) + R(θ).

    Attributes:
        model: an `nn.Module`, or (preferred) a no-argument factory of one. Exactly one of `model` and
            `forward`.
        loss: `(outputs, targets) -> (m,)`, one number per sample.
        train: `(inputs, targets)`, samples on axis 0. Tensors, arrays or lists. Floating data are cast to
            the run's dtype, integer targets to int64.
        test: the same, or None.
        forward: pure function `(weights, inputs) -> outputs` of one trajectory; then `initial` is required.
        regulariser: λ for R = λ Σ θ² (no ½: it adds 2λ to the Hessian), or `weights -> scalar`.
        initial: `generator -> weights` (name to tensor); default: the module's own initialisation.
        dtype: "float64", "float32" or "mixed"; an `Experiment` may override it.
        name: for stores and reports.
        provenance: what the data are (where they come from, a hash), for `run.notes` and the manifest of a run.

    Raises:
        ValueError: says what is wrong with the data or the functions.

    >>> inputs, targets = torch.eye(3), torch.tensor([0, 1, 1])
    >>> per_sample = nn.CrossEntropyLoss(reduction="none")
    >>> Problem(lambda: nn.Linear(3, 2), loss=per_sample, train=(inputs, targets)).dtype
    'float64'
    """

    model: nn.Module | Callable[[], nn.Module] | None = None
    loss: Callable[[Tensor, Tensor], Tensor] = field(kw_only=True)
    train: Data = field(kw_only=True)
    test: Data | None = None
    forward: Callable[[Weights, Tensor], Tensor] | None = None
    regulariser: float | Callable[[Weights], Tensor] = 0.0
    initial: Callable[[torch.Generator], Weights] | None = None
    dtype: str = "float64"
    name: str = "problem"
    provenance: str | None = None

    def __post_init__(self) -> None:
        if (self.model is None) == (self.forward is None):
            message = "give exactly one of model and forward"
            raise ValueError(message)
        if self.forward is not None and self.initial is None:
            message = "forward= needs initial=, a function from a torch.Generator to a dict of tensors"
            raise ValueError(message)
        loss: object = self.loss
        if not callable(loss):
            message = (
                f"loss is {self.loss!r}; give a function (outputs, targets) -> one number per sample, "
                "for example torch.nn.CrossEntropyLoss(reduction='none')"
            )
            raise ValueError(message)
        if not callable(self.regulariser):
            check_number("regulariser", self.regulariser)
        if self.dtype not in DTYPES:
            message = f"dtype is {self.dtype!r}; use one of {', '.join(DTYPES)}"
            raise ValueError(message)
        object.__setattr__(self, "train", _checked("train", self.train))
        if self.test is not None:
            object.__setattr__(self, "test", _checked("test", self.test))


def built(problem: Any) -> Problem:
    """A problem, or what a built-in one builds.

    Args:
        problem: a `Problem`, or an object with `build()` such as `Digits()`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(problem, Problem):
        return problem
    if (
        isinstance(problem, nn.Module)
        or isinstance(problem, type)
        or not callable(getattr(problem, "build", None))
    ):
        got = problem.__name__ if isinstance(problem, type) else type(problem).__name__
        message = (
            f"problem is {got}; give a tg.Problem(model=..., loss=..., train=(inputs, targets)), or a built-in one such as "
            "Digits()"
        )
        raise ValueError(message)
    found: Problem = problem.build()
    return found


def _checked(name: str, data: Any) -> Data:
    """Inputs and targets as tensors: same length, not empty, no NaN or infinity."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        message = (
            f"{name} must be a pair (inputs, targets); got {value_in_words(data)}{_tensors_of(name, data)}"
        )
        raise ValueError(message)
    inputs, targets = (
        as_tensor(f"{name} {part}", one) for part, one in zip(("inputs", "targets"), data, strict=True)
    )
    if inputs.ndim == 0 or targets.ndim == 0 or len(inputs) == 0:
        shapes = f"{tuple(inputs.shape)} and {tuple(targets.shape)}"
        message = f"{name} is empty: shapes {shapes}; samples are on axis 0"
        raise ValueError(message)
    if len(inputs) != len(targets):
        message = f"{name} has {len(inputs)} inputs but {len(targets)} targets; samples are on axis 0"
        raise ValueError(message)
    for part, tensor in (("inputs", inputs), ("targets", targets)):
        if tensor.is_floating_point():
            bad = torch.nonzero(~torch.isfinite(tensor))
            if len(bad):
                message = f"{name} {part} hold NaN or infinity, first at index {tuple(bad[0].tolist())}; leave such samples out"
                raise ValueError(message)
        elif tensor.is_complex():
            message = f"{name} {part} are complex; give their real and imaginary parts as columns"
            raise ValueError(message)
    return inputs.detach(), long_labels(targets).detach()


def _tensors_of(name: str, data: Any) -> str:
    """Where the pair is, for who gave what a training loop goes over."""
    loader = isinstance(data, torch.utils.data.DataLoader)
    dataset = data.dataset if loader else data
    where = "loader.dataset.tensors" if loader else "dataset.tensors"
    if isinstance(dataset, torch.utils.data.TensorDataset) and len(dataset.tensors) == 2:
        return f"; give {name}={where}"
    return "" if not isinstance(dataset, torch.utils.data.Dataset) else "; stack its samples into two tensors"
