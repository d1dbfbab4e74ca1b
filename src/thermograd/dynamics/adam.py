"""Adam: gradients averaged over steps, divided by their root mean square, exactly as in `torch.optim.Adam`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from thermograd.numerics.finite_number import check_finite_number, is_finite_number

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights


@dataclass(frozen=True)
class Adam:
    """m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; θ ← θ − η m̂ / (√v̂ + ε), for every weight by itself.

    g is the minibatch gradient, m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) undo that m and v start from zero, t counts
    the updates since then (Kingma and Ba, arXiv 1412.6980, algorithm 1). There is no weight decay: that is
    the `regulariser` of the problem.

    Attributes:
        learning_rate: η, the largest change of a weight in one step, roughly.
        beta1: β₁, memory of the mean gradient m.
        beta2: β₂, memory of the mean square gradient v.
        epsilon: ε, keeps weights without a gradient where they are.

    Raises:
        ValueError: a field is out of its range.

    The first step is η in the direction of −g, whatever the size of the gradient:

    >>> from types import SimpleNamespace
    >>> rule, weights = Adam(learning_rate=0.1, epsilon=0), {"w": torch.zeros(2, dtype=torch.float64)}
    >>> oracle = SimpleNamespace(gradient=lambda _: {"w": torch.tensor([1e-6, -300.0], dtype=torch.float64)})
    >>> rule.step(weights, rule.start(weights), oracle, 0)[0]["w"]
    tensor([-0.1000,  0.1000], dtype=torch.float64)
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epsilon"):
            check_finite_number(name, getattr(self, name))
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            if not is_finite_number(value) or not 0 <= value < 1:
                message = f"{name} is {value!r}; it must be a number from 0 to below 1"
                raise ValueError(message)

    def start(self, weights: Weights) -> State:
        """Zero averages, and zero updates made so far.

        So that clearing the state, by making it zero, is the same as starting anew.
        """
        state = {f"exp_avg/{name}": torch.zeros_like(value) for name, value in weights.items()}
        state |= {f"exp_avg_sq/{name}": torch.zeros_like(value) for name, value in weights.items()}
        return state | {f"step/{name}": value.new_zeros(()) for name, value in weights.items()}

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update; bias corrections use the state's own count of updates, not `step`."""
        gradient = oracle.gradient(weights)
        moved: Weights = {}
        after: State = {}
        for name, value in weights.items():
            slope = gradient[name]
            count = state[f"step/{name}"] + 1
            mean = torch.lerp(state[f"exp_avg/{name}"], slope, 1 - self.beta1)
            square = torch.lerp(state[f"exp_avg_sq/{name}"], slope.square(), 1 - self.beta2)
            rate = (self.learning_rate / _started(self.beta1, count)).to(value.dtype)
            spread = square.sqrt() / _started(self.beta2, count).sqrt().to(value.dtype)
            moved[name] = value - rate * mean / (spread + self.epsilon)
            after |= {f"exp_avg/{name}": mean, f"exp_avg_sq/{name}": square, f"step/{name}": count}
        return moved, after


def _started(beta: float, count: torch.Tensor) -> torch.Tensor:
    """1 − βᵗ, the share of an average that has been filled; in float64, as 1 − β is small."""
    return 1 - torch.pow(beta, count.double())
