"""Chains of the samplers on the two regressions, and what their virials are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.posterior import sample_posterior
from thermograd.estimators.posterior import virial_ratio
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.problems.data_folder import present_files
from thermograd.problems.linear_regression import LinearRegression
from thermograd.quantities import Estimate, Landscape
from thermograd.reproductions.sgworld_samplers import sampler

Array = npt.NDArray[Any]

BATCH = 10
LEVEL = 0.99


@dataclass(frozen=True)
class Length:
    """How much is simulated of each sampler.

    Attributes:
        chains: their number.
        epochs: length of each.
        burn_in: epochs before the first draw that counts.
        thin: epochs from draw to draw.
    """

    chains: int
    epochs: int
    burn_in: int
    thin: int = 1


def recorded_regression() -> tuple[LinearRegression, str]:
    """The linear regression on the paper's data where they are, else on data by the same rule; and which, in words."""
    files = present_files("nonlinear_regression", (("x_train.txt", "y_train.txt"),))
    if files:
        x, y = (np.loadtxt(file) for file in files)
        return LinearRegression(x=tuple(x), y=tuple(y)), "the paper's own, from THERMOGRAD_DATA"
    source = "drawn here by the paper's rule; THERMOGRAD_DATA names no folder nonlinear_regression"
    return LinearRegression(), source


def chains(
    problem: Any, landscape: Landscape, algorithm: str, rate: float, start: Array, length: Length, seed: int
) -> PosteriorDraws:
    """Draws of one sampler.

    Args:
        problem: whose loss and regulariser are U.
        landscape: of it, for the shapes of the weights.
        algorithm: one of `theory.posterior.ALGORITHMS`.
        rate: η.
        start: weights of each chain, `(chain, N)`.
        length: how much.
        seed: of all randomness.
    """
    dynamics, batches = sampler(algorithm, rate, BATCH)
    return sample_posterior(
        problem,
        dynamics=dynamics,
        minibatching=batches,
        prior_precision=None,
        batch_size=BATCH,
        chains=length.chains,
        epochs=length.epochs,
        burn_in=length.burn_in,
        thin=length.thin,
        virial_every=0,
        start={name: torch.from_numpy(value) for name, value in landscape.unflatten(start).items()},
        seed=seed,
    )


def virial_of_modes(points: Array, gradient: Callable[[Array], Array], centre: Array, modes: Array) -> Array:
    """(u·(θ−c))(u·∇U) along each column u, `(chain, draw, k)`.

    Args:
        points: θ, `(chain, draw, N)`.
        gradient: ∇U of points, of the same shape.
        centre: c, which must not come from the points.
        modes: columns `(N, k)`.
    """
    virial: Array = ((points - centre) @ modes) * (gradient(points) @ modes)
    return virial


def ratios(virial: Array) -> Estimate:
    """Virial ratios of every mode over chains, at 99 %."""
    return virial_ratio(virial, 1, level=LEVEL)
