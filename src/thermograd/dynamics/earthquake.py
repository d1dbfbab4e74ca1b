"""Gradient descent on a shaken landscape: a noise of which the stationary state is an equilibrium one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermograd.numerics.finite_number import check_finite_number

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights


@dataclass(frozen=True)
class Earthquake:
    """θ ← θ − η ∇L(θ + ζ z) with z standard normal, a new one at every step.

    Of Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521, section 4.5). Around a minimum with Hessian H the
    noise is D = η²ζ²H²/2 and the covariance ηζ²H (2 − ηH)⁻¹: nothing circulates, and to lowest order in ηH it
    is a Boltzmann distribution of inverse temperature 2/(ηζ²) on the parabola with Hessian H⁻¹. The gradient is that of all samples, whatever the minibatching,
    which only says how many updates make an epoch.

    Attributes:
        learning_rate: η.
        noise_scale: ζ, in units of the weights.

    Raises:
        ValueError: a number that is negative or not finite.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> rule, weights = Earthquake(learning_rate=0.1, noise_scale=0.5), {"w": torch.tensor([2.0])}
    >>> parabola = SimpleNamespace(  # L = w², and z = 1
    ...     normal=lambda: {"w": torch.ones(1)}, full_gradient=lambda place: {"w": 2 * place["w"]}
    ... )
    >>> rule.step(weights, rule.start(weights), parabola, 0)[0]["w"]  # 2 − 0.1 · 2 (2 + 0.5)
    tensor([1.5000])
    """

    learning_rate: float = 1e-6
    noise_scale: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("learning_rate", "noise_scale"):
            check_finite_number(name, getattr(self, name))

    def start(self, weights: Weights) -> State:
        """No state."""
        return {}

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        shake = oracle.normal()
        gradient = oracle.full_gradient(
            {name: value + self.noise_scale * shake[name] for name, value in weights.items()}
        )
        return {name: value - self.learning_rate * gradient[name] for name, value in weights.items()}, state
