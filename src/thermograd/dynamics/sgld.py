"""Stochastic gradient Langevin dynamics: a step down the minibatch gradient and a step of noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thermograd.numerics.finite_number import check_finite_number

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights


@dataclass(frozen=True)
class SGLD:
    """θ ← θ − η ĝ + √(2ηT) z, with ĝ the minibatch gradient of the loss U and z standard normal.

    Welling and Teh, *Bayesian learning via stochastic gradient Langevin dynamics* (2011), Eq 4, there with ε = 2η. For
    small η it draws from exp(−U/T); the noise of the minibatches is not corrected for, so that with batches drawn
    independently a mode of curvature h is too wide by nηh/2, relative, where n is the number of batches in an epoch. U is
    the problem's loss as it stands: `sample_posterior` builds one that is a negative log posterior.

    Attributes:
        learning_rate: η, which multiplies the gradient of U, a sum over samples.
        temperature: T; 0 = no noise is added.

    Raises:
        ValueError: a number that is negative or not finite.

    >>> from types import SimpleNamespace
    >>> import torch
    >>> oracle = SimpleNamespace(gradient=lambda w: w, normal=lambda: {"w": torch.tensor([1.0])})
    >>> SGLD(learning_rate=0.5, temperature=4.0).step({"w": torch.tensor([2.0])}, {}, oracle, 0)[0]["w"]
    tensor([3.])
    """

    learning_rate: float = 1e-7
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_langevin(self)

    def start(self, weights: Weights) -> State:
        """No state."""
        return {}

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        gradient, normal = oracle.gradient(weights), oracle.normal()
        spread = (2 * self.learning_rate * self.temperature) ** 0.5
        return {
            name: value - self.learning_rate * gradient[name] + spread * normal[name]
            for name, value in weights.items()
        }, state


def check_langevin(dynamics: Any) -> None:
    """`learning_rate` and `temperature` are numbers a sampler can use.

    Args:
        dynamics: `SGLD` or `SGWORLD`.

    Raises:
        ValueError: one is not a finite number, or negative.
    """
    for name in ("learning_rate", "temperature"):
        check_finite_number(name, getattr(dynamics, name))
