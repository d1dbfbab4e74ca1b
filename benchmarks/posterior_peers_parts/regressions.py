"""The two regressions of the paper, for every library: data, model, minimum, curvature."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

import thermograd as tg
from thermograd.problems.linear_regression import LinearRegression
from thermograd.problems.nonlinear_regression import NonlinearRegression

Weights = dict[str, np.ndarray]

BATCH = 10
NEAR_THE_MINIMUM = {
    "0.weight": [[1.3], [1.2]],
    "0.bias": [0.7, -0.5],
    "2.weight": [[0.9, -0.9]],
    "2.bias": [0.0],
}


@dataclass(frozen=True, eq=False)
class Regression:
    """A regression and its potential U.

    Attributes:
        description: of `thermograd.problems`.
        near: weights near the minimum by name.
        outputs: (weights by name, inputs (m, k), tanh) -> (m,), of any library's arrays.
    """

    description: Any
    near: Weights
    outputs: Callable[[Any, Any, Callable], Any]

    @property
    def noise(self) -> float:
        """ε."""
        return self.description.noise

    @property
    def regulariser(self) -> float:
        """λ."""
        return self.description.regulariser

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs `(M, k)` and targets `(M,)`."""
        inputs, targets = self.description.build().train
        return inputs.numpy(), targets.numpy().reshape(-1)

    @property
    def samples(self) -> int:
        """M."""
        return len(self.data[1])

    @property
    def steps_per_epoch(self) -> int:
        """n."""
        return self.samples // BATCH

    @cached_property
    def landscape(self) -> tg.Landscape:
        """U at its minimum, with the gradient and the Hessian of every sample."""
        near = {name: torch.from_numpy(value) for name, value in self.near.items()}
        return tg.landscape(self.description, parameters=near, refine=True, sample_hessians=True)

    @cached_property
    def minimum(self) -> Weights:
        """Weights at the minimum of U by name."""
        ends = np.cumsum([value.size for value in self.near.values()])[:-1]
        flat = np.split(self.landscape.parameters, ends)
        return {
            name: part.reshape(value.shape)
            for (name, value), part in zip(self.near.items(), flat, strict=True)
        }

    def at_the_minimum(self, chains: int) -> Weights:
        """That, repeated for several chains."""
        return {name: np.repeat(value[None], chains, axis=0) for name, value in self.minimum.items()}

    def gradient(self, draws: np.ndarray) -> np.ndarray:
        """∇U at draws `(..., N)`."""
        inputs, targets = (torch.from_numpy(part) for part in self.data)
        shapes = {name: value.shape for name, value in self.near.items()}

        def potential(flat: torch.Tensor) -> torch.Tensor:
            parts = flat.split([int(np.prod(shape)) for shape in shapes.values()])
            weights = {
                name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
            }
            away = targets - self.outputs(weights, inputs, torch.tanh)
            return away.square().sum() / (2 * self.noise**2) + self.regulariser * flat.square().sum()

        flat = torch.from_numpy(draws.reshape(-1, draws.shape[-1]))
        slopes = torch.func.vmap(torch.func.grad(potential), chunk_size=4096)(flat)
        return slopes.numpy().reshape(draws.shape)


def _linear(weights: Any, inputs: Any, _: Callable) -> Any:
    return inputs @ weights["weights"]


def _network(weights: Any, inputs: Any, tanh: Callable) -> Any:
    hidden = tanh(inputs @ weights["0.weight"].T + weights["0.bias"])
    return (hidden @ weights["2.weight"].T + weights["2.bias"])[:, 0]


def _papers_data() -> dict[str, tuple[float, ...]]:
    folder = Path(os.environ.get("THERMOGRAD_DATA", "")) / "nonlinear_regression"
    if not (folder / "x_train.txt").is_file():
        return {}
    return {name: tuple(np.loadtxt(folder / f"{name}_train.txt").ravel().tolist()) for name in ("x", "y")}


@cache
def regression(name: str) -> Regression:
    """The "linear" one with 3 parameters, or the "network" with 7."""
    data = _papers_data()
    if name == "linear":
        return Regression(LinearRegression(**data), {"weights": np.zeros(3)}, _linear)
    near = {key: np.array(value) for key, value in NEAR_THE_MINIMUM.items()}
    return Regression(NonlinearRegression(**data), near, _network)
