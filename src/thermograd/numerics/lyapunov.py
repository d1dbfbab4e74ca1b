"""Covariance at which a stable linear process comes to rest: Lyapunov equations in O(N³), never an N² system.

A process δ ← (I − F) δ + ξ with relaxation F and noise covariance Q settles at the solution X of

    F X + X Fᵀ − F X Fᵀ = Q   (discrete time, X = (I − F) X (I − F)ᵀ + Q),
    F X + X Fᵀ = Q            (continuous time).

The relaxation F = I − A is taken instead of the map A, because a slow mode has 1 − A ~ 1e-6, whose digits A has lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import schur, solve_triangular

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class RelaxationModes:
    """A symmetric relaxation F = O diag(r) Oᵀ, in whose modes the equations decouple.

    Attributes:
        rates: r, `(K,)`, one per mode.
        basis: O, `(N, K)` with orthonormal columns.

    >>> RelaxationModes.of(np.diag([1.0, 0.5])).covariance(np.eye(2), discrete=True).diagonal().round(6).tolist()
    [1.333333, 1.0]
    """

    rates: Array
    basis: Array

    @classmethod
    def of(cls, relaxation: Array) -> RelaxationModes:
        """The modes of a symmetric matrix, slowest first."""
        rates, basis = np.linalg.eigh(relaxation)
        return cls(rates, basis)

    @property
    def eigenvalues(self) -> Array:
        """Eigenvalues of F."""
        return self.rates

    def keep(self, which: Array) -> RelaxationModes:
        """Only the modes at which `which` is true."""
        return RelaxationModes(self.rates[which], self.basis[:, which])

    def into(self, matrix: Array) -> Array:
        """A symmetric matrix in the modes, `(K, K)`."""
        turned: Array = self.basis.T @ matrix @ self.basis
        return (turned + turned.T) / 2

    def back(self, matrix: Array) -> Array:
        """A matrix in the modes as one in the coordinates, `(N, N)`."""
        turned: Array = self.basis @ matrix @ self.basis.T
        return turned

    def times(self, matrix: Array) -> Array:
        """F X, both in the modes."""
        product: Array = self.rates[:, None] * matrix
        return product

    def covariance(self, noise: Array, *, discrete: bool) -> Array:
        """X in the modes: Q_ij / (r_i + r_j − r_i r_j); in continuous time without the product."""
        pairs = self.rates[:, None] + self.rates
        if discrete:
            pairs = pairs - self.rates[:, None] * self.rates
        covariance: Array = noise / pairs
        return covariance


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A relaxation F without symmetry; same verbs as `RelaxationModes`, in the coordinates themselves.

    Attributes:
        matrix: F, `(N, N)`.
    """

    matrix: Array

    @property
    def eigenvalues(self) -> Array:
        """Eigenvalues of F, complex."""
        values: Array = np.linalg.eigvals(self.matrix)
        return values

    def into(self, matrix: Array) -> Array:
        """The matrix itself."""
        return matrix

    def back(self, matrix: Array) -> Array:
        """The matrix itself."""
        return matrix

    def times(self, matrix: Array) -> Array:
        """F X."""
        product: Array = self.matrix @ matrix
        return product

    def covariance(self, noise: Array, *, discrete: bool) -> Array:
        """X by a complex Schur form F = U T Uᴴ and back substitution over the columns of Uᴴ X U."""
        triangle, unitary = schur(self.matrix, output="complex")
        right = unitary.conj().T @ noise @ unitary
        count = len(triangle)
        remain = np.eye(count) - triangle if discrete else np.eye(count)
        solved = np.zeros_like(right)
        for column in range(count - 1, -1, -1):
            later = solved[:, column + 1 :] @ triangle[column, column + 1 :].conj()
            system = triangle + triangle[column, column].conj() * remain
            solved[:, column] = solve_triangular(system, right[:, column] - remain @ later)
        found = (unitary @ solved @ unitary.conj().T).real
        symmetric: Array = (found + found.T) / 2
        return symmetric


def relaxation_of(matrix: npt.ArrayLike) -> RelaxationModes | Relaxation:
    """The relaxation F in the form that is cheapest: modes if it is symmetric to rounding.

    Args:
        matrix: F, `(N, N)`.

    Raises:
        ConfigError: a ValueError: not a square matrix of finite numbers.

    >>> relaxation_of(np.diag([0.5, 0.25])).rates.tolist()
    [0.25, 0.5]
    """
    given = square_matrix("relaxation", matrix)
    if np.abs(given - given.T).max() <= 1e-13 * np.abs(given).max():
        return RelaxationModes.of((given + given.T) / 2)
    return Relaxation(given)


def stationary_covariance(relaxation: npt.ArrayLike, noise: npt.ArrayLike, *, discrete: bool = True) -> Array:
    """X of F X + X Fᵀ − F X Fᵀ = Q, or without the last term in continuous time, `(N, N)`.

    Args:
        relaxation: F = I − A, `(N, N)`; every eigenvalue of A must lie inside the unit circle (continuous time:
            those of F to the right of 0), else X exists but is no covariance.
        noise: Q, covariance of the noise of one update, symmetric `(N, N)`.
        discrete: False for continuous time.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, or numbers that are not finite.

    >>> stationary_covariance([[0.5]], [[3.0]]).tolist()
    [[4.0]]
    >>> stationary_covariance([[0.5]], [[3.0]], discrete=False).tolist()
    [[3.0]]
    """
    found = relaxation_of(relaxation)
    covariance = square_matrix("noise", noise)
    size = len(np.asarray(relaxation))
    if len(covariance) != size:
        message = f"noise has shape {covariance.shape}; it must be {(size, size)} as the relaxation"
        raise ConfigError(message)
    return found.back(found.covariance(found.into(covariance), discrete=discrete))


def square_matrix(name: str, value: npt.ArrayLike) -> Array:
    """The argument as a float64 matrix.

    Args:
        name: what the argument is called, for the message.
        value: the argument.

    Raises:
        ConfigError: a ValueError: not square, empty, or not finite.

    >>> square_matrix("hessian", [1.0, 2.0])
    Traceback (most recent call last):
    thermograd.errors.ConfigError: hessian has shape (2,); it must be a square matrix
    """
    matrix = real_numbers(name, value)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        message = f"{name} has shape {matrix.shape}; it must be a square matrix"
        raise ConfigError(message)
    if not np.isfinite(matrix).all():
        place = tuple(int(axis) for axis in np.argwhere(~np.isfinite(matrix))[0])
        message = f"{name} holds NaN or infinity: index {place}"
        raise ConfigError(message)
    return matrix
