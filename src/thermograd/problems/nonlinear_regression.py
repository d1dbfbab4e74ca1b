"""Regression of a noisy bump with a 1-2-1 tanh network: seven parameters, a nonlinear landscape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.problem import Problem


@dataclass(frozen=True)
class NonlinearRegression:
    """The 7-parameter network of Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521).

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

    Raises:
        ValueError: x without y or y without x, or a noise that is not positive.

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
        check_bump(self)

    def build(self) -> Problem:
        """The problem with its data."""
        x, y = bump(self)
        scale = len(x) / (2 * self.noise**2)

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return scale * (outputs - targets).square().sum(-1)

        return Problem(
            model=lambda: nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)),
            loss=loss,
            train=(x[:, None], y[:, None]),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="nonlinear_regression",
        )


def check_bump(problem: Any) -> None:
    """The data of a regression are given both or not at all, their noise is positive, their seed a seed; they become tuples.

    Args:
        problem: a frozen dataclass with `x`, `y`, `noise` and `seed`.

    Raises:
        ValueError: they are not.
    """
    if (problem.x is None) != (problem.y is None):
        message = "give both x and y, or neither"
        raise ValueError(message)
    check_finite_number("noise", problem.noise, zero=False)
    check_whole_number("seed", problem.seed, 0)
    if problem.x is None:
        return
    for name in ("x", "y"):
        given = real_numbers(name, getattr(problem, name))
        if given.ndim != 1:
            message = f"{name} has shape {given.shape}; give a list of numbers, one a sample"
            raise ValueError(message)
        object.__setattr__(problem, name, tuple(given.tolist()))


def bump(problem: Any) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a regression, each `(M,)` in float64: those given, or a noisy bump.

    Args:
        problem: with `x`, `y`, `noise` and `seed`.

    >>> x, y = bump(NonlinearRegression(x=[0.0, 1.0], y=[1.0, 0.5]))
    >>> y.tolist()
    [1.0, 0.5]
    """
    if problem.x is not None:
        return torch.tensor(problem.x, dtype=torch.float64), torch.tensor(problem.y, dtype=torch.float64)
    x = -3 + 0.03 * np.arange(200)
    y = np.exp(-(x**2)) + problem.noise * np.random.default_rng(problem.seed).standard_normal(200)
    return torch.from_numpy(x), torch.from_numpy(y)
