"""Regression of a noisy bump with a 1-2-1 tanh network: seven parameters, a nonlinear landscape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from thermograd.problems.problem import Problem


@dataclass(frozen=True)
class NonlinearRegression:
    """The 7-parameter network of Adhikari, Kabakcioglu, Strang, Yuret, Hinczewski (arXiv 2306.03521).

    l_i(θ) = M (y_i − f_θ(x_i))² / (2·noise²), so that M·(1/M)Σ l_i is the negative log likelihood,
    R(θ) = λ Σ θ² with λ = 10. Data, unless given: x_i = −3 + 0.03 i, i = 0 ... 199,
    y_i = exp(−x_i²) + noise·z_i with z standard normal.

    Attributes:
        x: inputs, or None for the generated ones.
        y: targets, or None for the generated ones.
        noise: standard deviation of the targets.
        regulariser: λ.
        seed: seed of the generated noise z.
        dtype: see `Problem`.

    >>> problem = NonlinearRegression().build()
    >>> len(problem.train[0]), round(float(problem.train[0][100, 0]), 12)
    (200, 0.0)
    """

    x: Sequence[float] | None = None
    y: Sequence[float] | None = None
    noise: float = 0.1
    regulariser: float = 10.0
    seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        if (self.x is None) != (self.y is None):
            message = "give both x and y, or neither"
            raise ValueError(message)
        if not self.noise > 0:
            message = f"noise is {self.noise!r}; it must be positive"
            raise ValueError(message)
        for name in ("x", "y"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, tuple(float(value) for value in given))

    def build(self) -> Problem:
        """The problem with its data."""
        if self.x is None or self.y is None:
            x = -3 + 0.03 * np.arange(200)
            y = np.exp(-(x**2)) + self.noise * np.random.default_rng(self.seed).standard_normal(200)
        else:
            x, y = np.asarray(self.x), np.asarray(self.y)
        scale = len(x) / (2 * self.noise**2)

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return scale * (outputs - targets).square().sum(-1)

        return Problem(
            model=lambda: nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)),
            loss=loss,
            train=(torch.from_numpy(x)[:, None], torch.from_numpy(y)[:, None]),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="nonlinear_regression",
        )
