"""Lanczos: the Krylov space of a symmetric matrix that is known by its products only, and Gauss quadrature in it.

Only `@`, `.T`, slices and arithmetic touch the vectors, so numpy arrays and torch tensors on any device run through the same
lines; the caller owns the array that holds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal

Array = npt.NDArray[Any]

_BREAKDOWN = 1e-10
_CHECK_EVERY = 5


def lanczos(
    matvec: Callable[[Any], Any],
    start: Any,
    basis: Any,
    *,
    again: Callable[[], Any] | None = None,
    enough: Callable[[Array, Array], bool] | None = None,
) -> tuple[Array, Array, int]:
    """An orthonormal basis of the Krylov space and the tridiagonal matrix in it, with two passes of Gram–Schmidt.

    Args:
        matvec: v `(P,)` -> A v, A symmetric.
        start: `(P,)`, not 0.
        basis: `(steps, P)`, of which P rows at most are used; they are filled.
        again: gives another start when the space is exhausted, so that multiple eigenvalues are found; without it
            the iteration ends there.
        enough: `(diagonal, off_diagonal) -> bool`, asked every 5 steps whether to stop; no more once the space was
            exhausted, since another start may find a large eigenvalue again.

    Returns:
        Diagonal `(n,)`, off-diagonal `(n,)` (the last one leads out of the space), and the number n of filled rows.

    >>> basis = np.zeros((3, 3))
    >>> diagonal, off, rows = lanczos(lambda v: np.array([3.0, 2.0, 1.0]) * v, np.ones(3), basis)
    >>> eigh_tridiagonal(diagonal, off[:-1])[0].round(12).tolist()
    [1.0, 2.0, 3.0]
    """
    steps = min(len(basis), len(start))
    diagonal, off = np.zeros(steps), np.zeros(steps)
    basis[0] = start / _norm(start)
    scale, whole = 0.0, True
    for step in range(steps):
        image = matvec(basis[step])
        diagonal[step] = float(image @ basis[step])
        rest = _orthogonal(image, basis, step + 1)
        off[step] = _norm(rest)
        scale = max(scale, abs(diagonal[step]) + off[step])
        rows = step + 1
        last = rows == steps
        if off[step] <= _BREAKDOWN * scale:
            off[step], whole = 0.0, False
            if again is None or last:
                return diagonal[:rows], off[:rows], rows
            rest = _orthogonal(again(), basis, rows)
        if last or (
            enough is not None and whole and rows % _CHECK_EVERY == 0 and enough(diagonal[:rows], off[:rows])
        ):
            break
        basis[rows] = rest / _norm(rest)
    return diagonal[:rows], off[:rows], rows


def quadrature(diagonal: Array, off_diagonal: Array) -> tuple[Array, Array]:
    """Nodes and weights with vᵀ f(A) v = Σ w_i f(x_i), v the unit vector that `lanczos` started from.

    The Gauss quadrature of the spectral measure of v: nodes are the eigenvalues of the tridiagonal matrix, weights the
    squared first components of its eigenvectors (Golub & Welsch 1969; Lin, Saad & Yang, SIAM Rev. 58, 34, 2016, (3.9)).
    Exact for polynomials of degree below 2n, for all f once the space is exhausted.

    Args:
        diagonal: `(n,)`.
        off_diagonal: `(n,)`, of which the last one is not used.

    Returns:
        Nodes, ascending, and weights, which add up to 1; `(n,)` each.

    >>> diagonal, off, _ = lanczos(lambda v: np.array([1.0, 2.0, 6.0]) * v, np.ones(3), np.zeros((3, 3)))
    >>> nodes, weights = quadrature(diagonal, off)
    >>> nodes.round(9).tolist(), weights.round(9).tolist()
    ([1.0, 2.0, 6.0], [0.333333333, 0.333333333, 0.333333333])
    """
    nodes, vectors = eigh_tridiagonal(diagonal, off_diagonal[:-1])
    return nodes, np.square(vectors[0])


def sum_of_rows(rows: Any, coefficients: Array) -> Any:
    """Σ c_i row_i, `(P,)`.

    >>> sum_of_rows(np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([3.0, 0.5])).tolist()
    [3.5, 1.0]
    """
    total = rows[0] * float(coefficients[0])
    for row, coefficient in zip(rows[1:], coefficients[1:], strict=True):
        total = total + row * float(coefficient)
    return total


def _orthogonal(vector: Any, basis: Any, rows: int) -> Any:
    known = basis[:rows]
    for _ in range(2):
        vector = vector - known.T @ (known @ vector)
    return vector


def _norm(vector: Any) -> float:
    return math.sqrt(float(vector @ vector))
