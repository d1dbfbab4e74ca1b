"""Entropy production of a linear process at rest: how irreversible its circulation is.

σ = Σ_k (W δ)_k Δθ_k per update, W = −D⁻¹ C Σ⁻¹ (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521,
(27) to (29)), with the covariance and circulation of *continuous* time: (I−A)Σ + Σ(I−A)ᵀ = 2D, C = (I−A)Σ − D.
With these E[exp(−σ) | start] = 1 holds exactly for Gaussian noise, whatever the step; with the covariance of discrete
time it fails at first order in learning rate × curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpocon, dpotrf, dpotri

from thermograd.numerics.lyapunov import Relaxation, RelaxationModes

Array = npt.NDArray[Any]

CUT = 1e-12


@dataclass(frozen=True, eq=False)
class EntropyForce:
    """W of σ = Σ_k (W δ)_k Δθ_k, and in how many dimensions it could be had.

    Attributes:
        force: W, `(N, N)`.
        rank: rank of the diffusion matrix.
    """

    force: Array
    rank: int


def entropy_force(
    relaxation: Relaxation | RelaxationModes, diffusion: Array, continuous: Array
) -> EntropyForce:
    """W = −D⁻¹ C Σ⁻¹ from the covariance Σ of continuous time; all in the coordinates of the relaxation.

    The inverses are those within the range of D and of Σ, where these are singular.

    Args:
        relaxation: F = I − A.
        diffusion: D, half the covariance of one update.
        continuous: Σ of F Σ + Σ Fᵀ = 2 D.

    >>> curl = np.array([[1.0, -0.5], [0.5, 1.0]])  # Σ = I, C = F − D
    >>> entropy_force(Relaxation(curl), np.eye(2), np.eye(2)).force.tolist()
    [[0.0, 0.5], [-0.5, 0.0]]
    """
    flow = relaxation.times(continuous)
    circulation = (flow - flow.T) / 2
    scale = _scale(continuous)
    inverse_diffusion, rank = _scaled_inverse(diffusion, scale)
    inverse_covariance, _ = _scaled_inverse(continuous, scale)
    return EntropyForce(-inverse_diffusion @ circulation @ inverse_covariance, rank)


def entropy_production(relaxation: Relaxation | RelaxationModes, force: Array, covariance: Array) -> float:
    """⟨σ⟩ = tr(Wᵀ (A − I) Σ) per update, with the covariance Σ of the process itself.

    In continuous time that is (29), tr(Cᵀ D⁻¹ C Σ⁻¹); in discrete time it is what a simulation measures.

    Args:
        relaxation: F = I − A.
        force: W.
        covariance: Σ.
    """
    return max(-float(np.vdot(force, relaxation.times(covariance))), 0.0)


def _scale(covariance: Array) -> Array:
    """Σ_ii^(−½); 0 where nothing moves."""
    variance = np.diagonal(covariance)
    moves = variance > 0
    scale: Array = np.where(moves, 1 / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
    return scale


def _scaled_inverse(matrix: Array, scale: Array) -> tuple[Array, int]:
    """Inverse of a symmetric matrix within its range, its coordinates scaled; and its rank.

    By Cholesky where that shows full rank, since the eigenvalue ratio is no smaller than the reciprocal condition in the
    1-norm; else by the eigenvalues above 1e-12 of the largest.
    """
    scaled = scale[:, None] * matrix * scale
    factor, failed = dpotrf(scaled)
    if not failed and dpocon(factor, np.abs(scaled).sum(axis=0).max())[0] > 10 * CUT:
        upper, _ = dpotri(factor)
        whole = np.triu(upper) + np.triu(upper, 1).T
        return scale[:, None] * whole * scale, len(matrix)
    values, vectors = np.linalg.eigh(scaled)
    inside = values > CUT * values[-1]
    turned = scale[:, None] * vectors[:, inside]
    inverse: Array = (turned / values[inside]) @ turned.T
    return inverse, int(inside.sum())
