"""Stochastic gradient descent with momentum and dampening, exactly as in `torch.optim.SGD`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from thermograd.numerics.finite_number import check_finite_number

if TYPE_CHECKING:
    from torch import Tensor

    from thermograd.protocols import Oracle, State, Weights


@dataclass(frozen=True)
class SGD:
    """b ← g at the first step, then b ← μ b + (1 − δ) g; θ ← θ − η b, with g the minibatch gradient.

    Attributes:
        learning_rate: η.
        momentum: μ; 0 = plain gradient descent, which has no state.
        dampening: δ.

    Raises:
        ValueError: a number that is negative or not finite.

    >>> from types import SimpleNamespace
    >>> rule, weights = SGD(learning_rate=0.1, momentum=0.5), {"w": torch.tensor([2.0])}
    >>> ones = SimpleNamespace(gradient=lambda weights: {"w": torch.ones(1)})
    >>> weights, state = rule.step(weights, rule.start(weights), ones, 0)  # by 0.1
    >>> rule.step(weights, state, ones, 1)[0]["w"]  # by 0.1 (1 + ½)
    tensor([1.7500])
    """

    learning_rate: float = 0.1
    momentum: float = 0.0
    dampening: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "momentum", "dampening"):
            check_finite_number(name, getattr(self, name))

    def start(self, weights: Weights) -> State:
        """Zero momentum buffers, and for δ ≠ 0 whether each has seen a gradient (not yet: 0).

        So that clearing the state, by making it zero, is the same as starting anew.
        """
        if self.momentum == 0:
            return {}
        state = {f"momentum_buffer/{name}": torch.zeros_like(value) for name, value in weights.items()}
        if self.dampening:
            state |= {f"momentum_started/{name}": value.new_zeros(()) for name, value in weights.items()}
        return state

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        gradient = oracle.gradient(weights)
        if not state:
            return {name: self._moved(value, gradient[name]) for name, value in weights.items()}, {}
        moved, after = {}, {}
        for name, value in weights.items():
            started = state.get(f"momentum_started/{name}", 1.0)
            buffer = self.momentum * state[f"momentum_buffer/{name}"]
            buffer = buffer + (1 - self.dampening * started) * gradient[name]
            moved[name] = self._moved(value, buffer)
            after[f"momentum_buffer/{name}"] = buffer
            if f"momentum_started/{name}" in state:
                after[f"momentum_started/{name}"] = torch.ones_like(state[f"momentum_started/{name}"])
        return moved, after

    def _moved(self, value: Tensor, direction: Tensor) -> Tensor:
        """Value − η direction, in one pass where η is a number; perturbations make it a tensor.

        A number beyond the range of the weights' type makes them infinite: a run that diverges is no error.
        """
        rate: Any = self.learning_rate
        if isinstance(rate, torch.Tensor) or float(rate) > torch.finfo(value.dtype).max:
            moved: Tensor = value - rate * direction
            return moved
        return torch.sub(value, direction, alpha=rate)
