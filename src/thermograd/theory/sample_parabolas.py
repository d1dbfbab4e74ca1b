"""The potential as a mean of parabolas, one a sample, seen from their common minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape, Verdict
from thermograd.theory.curvature import curvature_modes, flat, not_a_minimum

Array = npt.NDArray[Any]

LARGEST = 20


@dataclass(frozen=True, eq=False)
class SampleParabolas:
    """U = (1/M) Σ_i [ G_i·x + ½ xᵀK_i x ] with x = θ − centre, where Σ G_i = 0.

    Attributes:
        centre: θ₀, where ∇U = 0, `(N,)`.
        gradients: G_i at the centre, `(M, N)`.
        hessians: K_i, `(M, N, N)`.
    """

    centre: Array
    gradients: Array
    hessians: Array

    @classmethod
    def of(cls, landscape: Landscape) -> SampleParabolas:
        """From a landscape at or next to a minimum, one Newton step away.

        Raises:
            ConfigError: a ValueError: no Hessians of the samples, a landscape in directions, or above 20 parameters.
        """
        hessians = _hessians(landscape)
        hessian = hessians.mean(axis=0)
        step = -np.linalg.solve(hessian, landscape.sample_gradients.mean(axis=0))
        gradients = landscape.sample_gradients + hessians @ step
        return cls(landscape.position + step, gradients - gradients.mean(axis=0), hessians)

    @property
    def samples(self) -> int:
        """Number of samples M."""
        return len(self.gradients)

    @property
    def hessian(self) -> Array:
        """H = mean of the K_i, symmetric `(N, N)`."""
        mean = self.hessians.mean(axis=0)
        symmetric: Array = (mean + mean.T) / 2
        return symmetric

    @property
    def maps(self) -> Array:
        """B_i = [[K_i, G_i], [0, 0]], so that (x, 1) ← (1 − ηB_i)(x, 1) is a step on sample i, `(M, N + 1, N + 1)`."""
        samples, size = self.gradients.shape
        maps = np.zeros((samples, size + 1, size + 1))
        maps[:, :size, :size], maps[:, :size, size] = self.hessians, self.gradients
        return maps

    @property
    def landscape(self) -> Landscape:
        """The same as a landscape at the centre, without third derivatives."""
        return Landscape(
            sample_gradients=self.gradients, sample_hessians=self.hessians, parameters=self.centre
        )


def improper(landscape: Landscape) -> Verdict | None:
    """The verdict that exp(−U) has no finite integral around the point, or None if it has.

    Args:
        landscape: of U.

    >>> print(improper(Landscape(sample_gradients=[[0.0, 0.0]], hessian=[[1.0, 0.0], [0.0, 0.0]])))
    no: no proper posterior: 1 direction without curvature, which the data and the prior leave free. Give a ...
    """
    modes = curvature_modes(landscape)
    refused = not_a_minimum(modes)
    loose = flat(modes)
    if refused is not None or not loose.any():
        return refused
    count = int(loose.sum())
    text = (
        f"no proper posterior: {count} direction{'s' * (count > 1)} without curvature, which the data and the prior leave "
        "free. Give a prior_precision above 0"
    )
    return Verdict(False, "improper", text, {"directions": modes.basis[:, loose]})


def _hessians(landscape: Landscape) -> Array:
    size = landscape.sample_gradients.shape[1]
    if landscape.directions is not None:
        message = (
            f"the landscape is in {size} directions of {len(landscape.directions)} parameters, and the noise of a sampler mixes "
            "them with all others. Take a landscape without directions="
        )
        raise ConfigError(message)
    if size > LARGEST:
        message = (
            f"the landscape has {size} parameters; exact moments are offered up to {LARGEST}, as time grows with the sixth "
            "power. Use variance_excess for each curvature"
        )
        raise ConfigError(message)
    if landscape.sample_hessians is not None:
        return landscape.sample_hessians
    if landscape.sample_hessian_products is not None:
        columns = [np.asarray(landscape.sample_hessian_products(unit)) for unit in np.eye(size)]
        return np.stack(columns, axis=-1)
    message = "the moments of a sampler need the Hessian of every sample; take the landscape with sample_hessians=True"
    raise ConfigError(message)
