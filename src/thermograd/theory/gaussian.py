"""A Gaussian distribution, and how many bits it is away from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has
from thermograd.numerics.lyapunov import square_matrix
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[Any]

NATS = {"bit": float(np.log(2)), "nat": 1.0}
SMALL = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Gaussian:
    """A Gaussian distribution of N weights.

    Attributes:
        mean: `(N,)`, where it is in the space of the weights.
        covariance: `(N, N)`, symmetric; 0 in directions that do not fluctuate.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, or numbers that are not finite.

    >>> Gaussian([1.0, 0.0], [[4.0, 0.0], [0.0, 1.0]])
    Gaussian(2 coordinates, standard deviations 1 to 2)
    """

    mean: Array
    covariance: Array

    def __post_init__(self) -> None:
        mean, covariance = real_numbers("mean", self.mean), square_matrix("covariance", self.covariance)
        if mean.shape != (len(covariance),) or not np.isfinite(mean).all():
            message = f"mean has shape {mean.shape}; it must be {(len(covariance),)} finite numbers, as the covariance"
            raise ConfigError(message)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", (covariance + covariance.T) / 2)

    def __repr__(self) -> str:
        spread = np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))
        return f"Gaussian({len(self.mean)} coordinates, standard deviations {spread.min():.4g} to {spread.max():.4g})"


def kl_divergence(p: Gaussian, q: Gaussian, unit: str = "bit") -> float:
    """What is lost by taking q for p, the Kullback-Leibler divergence of p from q.

    With the eigenvalues d of Σ_q⁻¹Σ_p − 1 and the distance μ of the means (Adhikari, Kabakçıoğlu, Strang, Yuret,
    Hinczewski, arXiv 2306.03521, (46), there for equal means)

        KL(p ‖ q) = ½ [ Σ (d − log(1 + d)) + μᵀ Σ_q⁻¹ μ ],

    with log(1 + d) by its series where d is small, so that numbers down to 1e-14 bits are right.

    Args:
        p: what is sampled.
        q: what should be.
        unit: "bit" or "nat".

    Returns:
        The divergence; infinite if p does not fluctuate in some direction.

    Raises:
        ConfigError: a ValueError: another unit, different numbers of coordinates, or a q that does not fluctuate in some
            direction.

    >>> wide, target = Gaussian([0.0], [[2.0]]), Gaussian([0.0], [[1.0]])
    >>> round(kl_divergence(wide, target, unit="nat"), 6)  # (1 − log 2)/2
    0.153426
    """
    for name, given in (("p", p), ("q", q)):
        check_has(name, given, "covariance", "a Gaussian(mean, covariance)")
    if unit not in tuple(NATS):
        message = f"unit is {unit!r}; it must be 'bit' or 'nat'"
        raise ConfigError(message)
    if p.mean.shape != q.mean.shape:
        message = f"p has {len(p.mean)} coordinates and q has {len(q.mean)}; they must be equally many"
        raise ConfigError(message)
    try:
        root = np.linalg.cholesky(q.covariance)
    except np.linalg.LinAlgError:
        message = "the covariance of q is singular or not positive: no density to compare with"
        raise ConfigError(message) from None
    half = np.linalg.solve(root, p.covariance - q.covariance)
    excess = np.linalg.solve(root, half.T)
    away = np.linalg.solve(root, p.mean - q.mean)
    eigenvalues = np.linalg.eigvalsh((excess + excess.T) / 2)
    if eigenvalues[0] <= -1:
        return float("inf")
    return float(_beyond_logarithm(eigenvalues).sum() + away @ away) / 2 / NATS[unit]


def _beyond_logarithm(excess: Array) -> Array:
    """The excess d less log(1 + d), never with a loss of digits."""
    series = excess**2 * (1 / 2 - excess * (1 / 3 - excess * (1 / 4 - excess * (1 / 5 - excess / 6))))
    value: Array = np.where(np.abs(excess) < SMALL, series, excess - np.log1p(excess))
    return value
