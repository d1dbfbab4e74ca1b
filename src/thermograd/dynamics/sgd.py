"""Stochastic gradient descent with momentum and dampening, exactly as in `torch.optim.SGD`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights


@dataclass(frozen=True)
class SGD:
    """b ← g at the first step, then b ← μ b + (1 − δ) g; θ ← θ − η b, with g the minibatch gradient.

    Attributes:
        learning_rate: η.
        momentum: μ; 0 = plain gradient descent, which has no state.
        dampening: δ.
    """

    learning_rate: float = 0.1
    momentum: float = 0.0
    dampening: float = 0.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "momentum", "dampening"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                message = f"{name} is {value!r}; it must be finite and not negative"
                raise ValueError(message)

    def start(self, weights: Weights) -> State:
        """The momentum buffers; NaN stands for "no gradient seen yet" where it matters (δ ≠ 0)."""
        if self.momentum == 0:
            return {}
        unset = math.nan if self.dampening else 0.0
        return {f"momentum_buffer/{name}": torch.full_like(value, unset) for name, value in weights.items()}

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        gradient = oracle.gradient(weights)
        if not state:
            return {name: value - self.learning_rate * gradient[name] for name, value in weights.items()}, {}
        buffers = {}
        for name, slope in gradient.items():
            old = state[f"momentum_buffer/{name}"]
            new = self.momentum * old + (1 - self.dampening) * slope
            buffers[name] = torch.where(torch.isnan(old), slope, new) if self.dampening else new
        moved = {name: value - self.learning_rate * buffers[name] for name, value in weights.items()}
        return moved, {f"momentum_buffer/{name}": value for name, value in buffers.items()}
