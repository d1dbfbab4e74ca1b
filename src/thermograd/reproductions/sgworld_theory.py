"""Divergence from the posterior without simulation: the continuous theory and the exact moments, at many rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import largest_learning_rate
from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.report.sampler_divergence import Divergences
from thermograd.reproductions.sgworld_samplers import NAMES
from thermograd.theory.posterior import (
    ALGORITHMS,
    Gaussian,
    exact_posterior,
    fokker_planck_distribution,
    kl_divergence,
    stationary_distribution,
)

Array = npt.NDArray[Any]

CONTINUOUS = {
    "sgld": "SGLD",
    "sgworld": "SGWORLD",
    "sgworld_uncorrected": "SGWORLD uncorrected",
}
SMALL = (1e-9, 1e-8)
"""Rates between which the slopes of the continuous theory are taken."""
FITTED = (1e-7, 3e-7)
"""The same for exact moments, which take in small numbers of higher order below."""


@dataclass(frozen=True, eq=False)
class Theory:
    """What is known without simulation.

    Attributes:
        land: of U.
        posterior: exact.
        batch_size: m.
        orders: random orders of the exact moments.
        seed: of the orders.
        curves: of the figure.
    """

    land: Landscape
    posterior: Gaussian
    batch_size: int
    orders: int
    seed: int
    curves: Divergences

    def continuous(self, algorithm: str, rate: float) -> float:
        """Divergence by the continuous theory in bits; NaN without stationary state."""
        found = fokker_planck_distribution(
            self.land, algorithm, learning_rate=rate, batch_size=self.batch_size
        )
        return _bits(found, self.posterior)

    def exact(self, algorithm: str, rate: float) -> float:
        """Divergence by the exact moments in bits; NaN without stationary state."""
        return _bits(self.state(algorithm, rate), self.posterior)

    def state(self, algorithm: str, rate: float) -> Prediction | Verdict:
        """What the algorithm draws from."""
        return stationary_distribution(
            self.land,
            algorithm,
            learning_rate=rate,
            batch_size=self.batch_size,
            orders=self.orders,
            seed=self.seed,
        )

    def virial(self, algorithm: str, rate: float, curvatures: Array, modes: Array) -> Array:
        """Virial over T of every mode, h (uᵀΣu + (u·shift)²); NaN without stationary state."""
        found = self.state(algorithm, rate)
        if isinstance(found, Verdict):
            return np.full(len(curvatures), np.nan)
        shift = (found.value.mean - self.posterior.mean) @ modes
        spread = np.einsum("ik,ij,jk->k", modes, found.value.covariance, modes)
        virial: Array = curvatures * (spread + shift**2)
        return virial

    def slope(self, kind: str, algorithm: str) -> float:
        """Power of the learning rate with which the divergence falls; `kind` is "continuous" or "exact"."""
        divergence, rates = {"continuous": (self.continuous, SMALL), "exact": (self.exact, FITTED)}[kind]
        ends = [divergence(algorithm, rate) for rate in rates]
        return float(np.log(ends[1] / ends[0]) / np.log(rates[1] / rates[0]))

    @property
    def published_limit(self) -> float:
        """The learning rate from which on the published form is unstable in the stiffest mode."""
        steps = -(-self.land.samples // self.batch_size)
        steepest = float(np.linalg.eigvalsh(self.land.hessian)[-1])
        return largest_learning_rate(SGWORLD(variant="published"), steepest, steps)


def theory_of(land: Landscape, batch_size: int, *, orders: int, seed: int, points: int = 28) -> Theory:
    """Both theories at rates from 1e-8 to 1e-5.

    Args:
        land: of U, at its minimum.
        batch_size: m.
        orders: random orders of the exact moments.
        seed: of the orders.
        points: number of rates, beside those that are simulated.
    """
    posterior = exact_posterior(land)
    assert isinstance(posterior, Prediction)  # of a minimum
    rates = np.union1d(np.geomspace(1e-8, 1e-5, points), [1e-6, 3e-6])
    empty = Divergences(rates, {}, {}, {}, {})
    theory = Theory(land, posterior.value, batch_size, orders, seed, empty)
    continuous = {
        name: np.array([theory.continuous(key, rate) for rate in rates]) for key, name in CONTINUOUS.items()
    }
    exact = {NAMES[key]: np.array([theory.exact(key, rate) for rate in rates]) for key in ALGORITHMS}
    slopes = {name: theory.slope("continuous", key) for key, name in CONTINUOUS.items()}
    exact_slopes = {
        NAMES[key]: theory.slope("exact", key) for key in ("sgld", "sgworld_published", "sgworld")
    }
    curves = Divergences(rates, continuous, exact, slopes, exact_slopes)
    return Theory(land, posterior.value, batch_size, orders, seed, curves)


def _bits(found: Prediction | Verdict, posterior: Gaussian) -> float:
    return float("nan") if isinstance(found, Verdict) else kl_divergence(found.value, posterior)
