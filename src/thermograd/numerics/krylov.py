"""Lanczos: the largest eigenvalues of a symmetric matrix that is known by its products only.

Only `@`, `.T`, slices and arithmetic touch the vectors, so numpy arrays and torch tensors on any device run through the same
lines; the caller owns the array that holds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal

Array = npt.NDArray[Any]

_BREAKDOWN = 1e-10
_CHECK_EVERY = 5


@dataclass(frozen=True, eq=False)
class Ritz:
    """Approximate eigenpairs of the tridiagonal matrix of Lanczos, largest first.

    Attributes:
        values: `(k,)`.
        coefficients: of the vectors in the rows of the basis, `(rows, k)`.
        residuals: |A v − value v|, `(k,)`, which bounds the distance to the nearest eigenvalue.
        converged: whether all residuals are within the tolerance.
        smallest: the smallest value of all, an upper bound of the smallest eigenvalue.
    """

    values: Array
    coefficients: Array
    residuals: Array
    converged: bool
    smallest: float


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


def largest(diagonal: Array, off_diagonal: Array, count: int, tolerance: float) -> Ritz:
    """The largest eigenpairs that a run of `lanczos` has found.

    Args:
        diagonal: `(n,)`.
        off_diagonal: `(n,)`.
        count: k, at most n.
        tolerance: of the residuals, over the largest |value|.
    """
    values, vectors = eigh_tridiagonal(diagonal, off_diagonal[:-1])
    residuals = np.abs(off_diagonal[-1] * vectors[-1])
    chosen = np.argsort(values)[::-1][:count]
    bound = tolerance * np.abs(values).max()
    converged = len(chosen) == count and bool((residuals[chosen] <= bound).all())
    return Ritz(values[chosen], vectors[:, chosen], residuals[chosen], converged, float(values.min()))


def largest_eigenpairs(
    matvec: Callable[[Any], Any],
    start: Any,
    basis: Any,
    count: int,
    *,
    tolerance: float = 1e-8,
    again: Callable[[], Any] | None = None,
) -> tuple[Ritz, Any]:
    """The k largest eigenvalues of A with their vectors.

    Args:
        matvec: v `(P,)` -> A v.
        start: `(P,)`, not 0.
        basis: `(steps, P)`, the most steps that may be taken; overwritten.
        count: k.
        tolerance: of the residuals, over the largest |eigenvalue|.
        again: see `lanczos`.

    Returns:
        The eigenvalues, and the eigenvectors as columns `(P, k)` of the kind of `basis`.

    >>> ritz, vectors = largest_eigenpairs(lambda v: np.arange(9.0) * v, np.ones(9), np.zeros((9, 9)), 2)
    >>> ritz.values.round(9).tolist(), ritz.converged, vectors.shape
    ([8.0, 7.0], True, (9, 2))
    """

    def enough(diagonal: Array, off_diagonal: Array) -> bool:
        return len(diagonal) > count and largest(diagonal, off_diagonal, count, tolerance).converged

    diagonal, off_diagonal, rows = lanczos(matvec, start, basis, again=again, enough=enough)
    ritz = largest(diagonal, off_diagonal, count, tolerance)
    vectors = [sum_of_rows(basis[:rows], ritz.coefficients[:, place]) for place in range(len(ritz.values))]
    columns = basis[: len(vectors)]
    for place, vector in enumerate(vectors):
        columns[place] = vector
    return ritz, columns.T


def sum_of_rows(rows: Any, coefficients: Array) -> Any:
    """Σ c_i row_i, `(P,)`."""
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
