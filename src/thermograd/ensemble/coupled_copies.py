"""Copies of one model that train side by side with the same batches, dropout and noise, in opposite fields."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _NormBase

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights

SIDES = (0.0, 1.0, -1.0)
"""Of the field, by copy: none, along the signs, against them."""


def detached(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a model on the CPU whose forward pass leaves no trace in it.

    Batch normalisation in training mode uses the statistics of its batch and keeps no running ones; in evaluation mode the
    frozen ones stay.

    Args:
        model: as the user has it; it is left alone.
        dtype: of parameters and floating buffers.

    Raises:
        ValueError: it cannot be copied.
    """
    try:
        copied = copy.deepcopy(model)
    except (RuntimeError, TypeError) as failure:
        message = (
            f"{type(model).__name__} cannot be copied ({failure}); give a module that copy.deepcopy can copy"
        )
        raise ValueError(message) from failure
    for part in batch_norms(copied):
        part.running_mean = part.running_var = part.num_batches_tracked = None
        part.track_running_stats = False
    return copied.to(device="cpu", dtype=dtype)


def batch_norms(model: nn.Module) -> list[_NormBase]:
    """The parts of a model that normalise by the statistics of their batch."""
    return [part for part in model.modules() if isinstance(part, _NormBase) and part.training]


def changed_buffers(module: nn.Module, inputs: Tensor) -> list[str]:
    """Names of buffers that a forward pass of a copy changes; global random state is left as it was."""
    tried = copy.deepcopy(module)
    before = {name: value.clone() for name, value in tried.named_buffers()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        tried(inputs)
    return [name for name, value in tried.named_buffers() if not torch.equal(before[name], value)]


@dataclass(frozen=True, eq=False)
class Forward:
    """The outputs of a module as a function of its trainable weights.

    Attributes:
        module: from `detached`.
    """

    module: nn.Module

    def __call__(self, weights: Weights, inputs: Tensor) -> Tensor:
        """Outputs, samples on axis 0."""
        found: Tensor = functional_call(self.module, weights, (inputs,))
        return found


@dataclass(frozen=True, eq=False)
class CopiesForward:
    """Outputs of all copies, `(copy, m, ...)`, from weights stacked on axis 0; one draw of randomness for all.

    Attributes:
        one: the outputs of one copy.
        batched: whether one call serves all copies; else they run one by one from the same state of the generator.
    """

    one: Forward
    batched: bool

    def __call__(self, weights: Weights, inputs: Tensor) -> Tensor:
        """Outputs, copies on axis 0."""
        if self.batched:
            together: Tensor = vmap(self.one, in_dims=(0, None), randomness="same")(weights, inputs)
            return together
        state, found = torch.get_rng_state(), []
        for number in range(len(SIDES)):
            torch.set_rng_state(state)
            found.append(self.one({name: value[number] for name, value in weights.items()}, inputs))
        return torch.stack(found)


def copies_forward(one: Forward, weights: Weights, inputs: Tensor) -> CopiesForward:
    """The copies in one call, or one by one where the model cannot be batched.

    Args:
        one: the outputs of one copy.
        weights: of one copy.
        inputs: a few samples to try it with.
    """
    stacked = stack_copies(weights)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            CopiesForward(one, batched=True)(stacked, inputs)
        except (RuntimeError, NotImplementedError):
            return CopiesForward(one, batched=False)
    return CopiesForward(one, batched=True)


def stack_copies(weights: Mapping[str, Tensor], axis: int = 0) -> dict[str, Tensor]:
    """Three times the same weights."""
    return {name: torch.stack([value] * len(SIDES), dim=axis) for name, value in weights.items()}


@dataclass(frozen=True, eq=False)
class SumOverCopies:
    """The loss of each sample, added over copies: its gradient in one copy is that copy's own.

    Attributes:
        loss: `(outputs, targets) -> (m,)`.
    """

    loss: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """`(m,)`."""
        return torch.stack([self.loss(own, targets) for own in outputs]).sum(0)


@dataclass(frozen=True, eq=False)
class Given:
    """Initial weights that are given, whatever the generator.

    Attributes:
        weights: by name.
    """

    weights: dict[str, Tensor]

    def __call__(self, generator: torch.Generator) -> Weights:
        """Copies of them."""
        return {name: value.clone() for name, value in self.weights.items()}


@dataclass(frozen=True)
class CoupledDescent:
    """w ← w − η(g − s h) + √(2Tη) ξ for each copy, s = 0, 1, −1 its side of the field h; ξ is that of all copies.

    The field is state, `field/<name>`, so that each trajectory has its own; it starts as 0.

    Attributes:
        learning_rate: η.
        temperature: T of injected white noise.
    """

    learning_rate: float
    temperature: float = 0.0

    def start(self, weights: Weights) -> State:
        """No field."""
        return {f"field/{name}": torch.zeros_like(value[0]) for name, value in weights.items()}

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        gradient = oracle.gradient(weights)
        noise = oracle.normal() if self.temperature else None
        spread = (2 * self.learning_rate * self.temperature) ** 0.5
        moved = {}
        for name, value in weights.items():
            sides = value.new_tensor(SIDES).reshape(-1, *[1] * (value.ndim - 1))
            moved[name] = value - self.learning_rate * (gradient[name] - sides * state[f"field/{name}"])
            if noise is not None:
                moved[name] = moved[name] + spread * noise[name][:1]
        return moved, state
