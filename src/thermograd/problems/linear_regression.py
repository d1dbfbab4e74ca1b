"""Regression of a noisy bump on two fixed tanh functions and a constant: the posterior is a known Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from thermograd.problems.nonlinear_regression import bump, check_bump
from thermograd.problems.problem import Problem


@dataclass(frozen=True)
class LinearRegression:
    """f_θ(x) = θ₁ tanh(½ − x) + θ₂ tanh(½ + x) + θ₃, of Adhikari et al. (arXiv 2306.03521, Eqs 39 and 40).

    l_i(θ) = M (y_i − f_θ(x_i))² / (2·noise²), so that M·(1/M)Σ l_i is the negative log likelihood, and R(θ) = λ Σ θ²
    with λ = 10, so that L is the negative log posterior. Data, unless given, are those of `NonlinearRegression`.

    Attributes:
        x: inputs, or None for the generated ones.
        y: targets, or None for the generated ones.
        noise: standard deviation of the targets.
        regulariser: λ.
        seed: seed of the generated targets.
        dtype: see `Problem`.

    Raises:
        ValueError: x without y or y without x, or a noise that is not positive.

    >>> problem = LinearRegression().build()
    >>> tuple(problem.train[0].shape)
    (200, 3)
    """

    x: Sequence[float] | None = None
    y: Sequence[float] | None = None
    noise: float = 0.1
    regulariser: float = 10.0
    seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        check_bump(self)

    def build(self) -> Problem:
        """The problem with its data, whose inputs are the three functions."""
        x, y = bump(self)
        scale = len(x) / (2 * self.noise**2)
        features = torch.stack([torch.tanh(0.5 - x), torch.tanh(0.5 + x), torch.ones_like(x)], dim=1)

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return scale * (outputs - targets).square()

        return Problem(
            forward=lambda weights, inputs: inputs @ weights["weights"],
            loss=loss,
            train=(features, y),
            initial=lambda generator: {"weights": torch.randn(3, generator=generator)},
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="linear_regression",
        )
