"""The outermost eigenvalues of a symmetric matrix that is known by its products only, with their vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal

from thermograd.numerics.krylov import lanczos, sum_of_rows

Array = npt.NDArray[Any]

ENDS = ("largest", "smallest", "magnitude", "both")
_LOOK = 10  # steps of a search for further copies, at least


@dataclass(frozen=True, eq=False)
class Ritz:
    """Approximate eigenvalues.

    Attributes:
        values: `(k,)`, or `(2k,)` of both ends: largest first, smallest first, largest magnitude first, or ascending.
        residuals: |A v − value v|, which bounds the distance to the nearest eigenvalue.
        converged: whether all residuals are within the tolerance, and no further copies are in sight.
        smallest: the smallest value seen, an upper bound of the smallest eigenvalue.
    """

    values: Array
    residuals: Array
    converged: bool
    smallest: float


def extreme_eigenpairs(
    matvec: Callable[[Any], Any],
    start: Any,
    basis: Any,
    count: int,
    which: str = "largest",
    *,
    tolerance: float = 1e-8,
    again: Callable[[], Any] | None = None,
) -> tuple[Ritz, Any]:
    """The k outermost eigenvalues of A with their vectors, by Lanczos.

    The Krylov space of one vector holds one copy only of a multiple eigenvalue. Therefore, with `again`, the space of
    another vector is searched for further copies outside of what was found, until none is in sight; this costs about half
    as many products again. A single eigenvalue needs no copies.

    Args:
        matvec: v `(P,)` -> A v.
        start: `(P,)`, not 0.
        basis: `(steps, P)`, the most steps of a search; overwritten.
        count: k.
        which: "largest", "smallest", "magnitude" or "both" (k from each end).
        tolerance: of the residuals, over the largest |eigenvalue|.
        again: gives another start.

    Returns:
        The eigenvalues, and the eigenvectors as columns `(P, k)` of the kind of `basis`.

    Raises:
        ValueError: an unknown `which`.

    >>> ritz, vectors = extreme_eigenpairs(lambda v: np.arange(9.0) * v, np.ones(9), np.zeros((9, 9)), 2)
    >>> ritz.values.round(9).tolist(), ritz.converged, vectors.shape
    ([8.0, 7.0], True, (9, 2))
    >>> shifted = lambda v: np.arange(-4.0, 5.0) * v
    >>> extreme_eigenpairs(shifted, np.ones(9), np.zeros((9, 9)), 1, "both")[0].values.round(9).tolist()
    [-4.0, 4.0]
    """
    if which not in ENDS:
        message = f"which is {which!r}; use one of {', '.join(ENDS)}"
        raise ValueError(message)

    def enough(diagonal: Array, off_diagonal: Array) -> bool:
        pairs = _Pairs.of(diagonal, off_diagonal)
        chosen = _outermost(pairs.values, count, which)
        return len(diagonal) > len(chosen) and pairs.within(chosen, tolerance)

    diagonal, off, rows = lanczos(matvec, start, basis, again=again, enough=enough)
    found = _Pairs.of(diagonal, off)
    chosen = _outermost(found.values, count, which)
    full = len(chosen) == _wanted(count, which)
    converged = full and found.within(chosen, tolerance)
    kept = found.taken(chosen, basis[:rows])
    # All there is, or other starts were tried already, or copies are of no interest.
    whole = rows == len(start) or bool((off == 0).any()) or count == 1
    smallest = float(found.values.min())
    while again is not None and converged and not whole:
        more, converged = _missed(matvec, again(), basis, kept, count, which, tolerance)
        smallest = min([smallest, *more.values])
        if not len(more.values):
            break
        kept = kept.joined(more, count, which)
    columns = _written(kept.vectors, basis)
    return Ritz(kept.values, kept.residuals, converged, smallest), columns.T


@dataclass(frozen=True, eq=False)
class _Kept:
    """Eigenpairs with their vectors."""

    values: Array
    residuals: Array
    vectors: list[Any]

    def joined(self, other: _Kept, count: int, which: str) -> _Kept:
        """The outermost of both."""
        values = np.concatenate([self.values, other.values])
        residuals = np.concatenate([self.residuals, other.residuals])
        vectors, chosen = self.vectors + other.vectors, _outermost(values, count, which)
        return _Kept(values[chosen], residuals[chosen], [vectors[place] for place in chosen])


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All eigenpairs of a tridiagonal matrix."""

    values: Array
    residuals: Array
    coefficients: Array

    @classmethod
    def of(cls, diagonal: Array, off_diagonal: Array) -> _Pairs:
        values, vectors = eigh_tridiagonal(diagonal, off_diagonal[:-1])
        return cls(values, np.abs(off_diagonal[-1] * vectors[-1]), vectors)

    def within(self, chosen: Array, tolerance: float) -> bool:
        """Whether the residuals of these are small."""
        return bool((self.residuals[chosen] <= tolerance * np.abs(self.values).max()).all())

    def taken(self, chosen: Array, rows: Any) -> _Kept:
        """Some of them, with their vectors."""
        vectors = [sum_of_rows(rows, self.coefficients[:, place]) for place in chosen]
        return _Kept(self.values[chosen], self.residuals[chosen], vectors)


def _missed(
    matvec: Callable[[Any], Any],
    start: Any,
    basis: Any,
    kept: _Kept,
    count: int,
    which: str,
    tolerance: float,
) -> tuple[_Kept, bool]:
    """Eigenpairs outside of the innermost one kept that another vector sees, and whether it could be decided."""
    known = _written(kept.vectors, basis)
    rest = basis[len(kept.vectors) :]
    scale = float(np.abs(kept.values).max())

    def apart(vector: Any) -> Any:
        return vector - known.T @ (known @ vector)

    def doubtful(pairs: _Pairs) -> Array:
        """Those that may lie further out."""
        beyond = _beyond(pairs.values, pairs.residuals, kept.values, count, which)
        return beyond & (pairs.residuals > tolerance * scale)

    def enough(diagonal: Array, off_diagonal: Array) -> bool:
        return len(diagonal) >= _LOOK and not doubtful(_Pairs.of(diagonal, off_diagonal)).any()

    diagonal, off, rows = lanczos(lambda vector: apart(matvec(vector)), apart(start), rest, enough=enough)
    pairs = _Pairs.of(diagonal, off)
    new = _beyond(pairs.values, -tolerance * scale, kept.values, count, which)
    more = pairs.taken(np.flatnonzero(new), rest[:rows])
    off_known = float(np.linalg.norm(kept.residuals))  # what A leads from these back to those kept
    residuals = np.hypot(more.residuals, off_known)
    return _Kept(more.values, residuals, more.vectors), not doubtful(pairs).any()


def _wanted(count: int, which: str) -> int:
    return 2 * count if which == "both" else count


def _outermost(values: Array, count: int, which: str) -> Array:
    """Places of the wanted ones, in the order of `Ritz.values`; all of them if there are too few."""
    if which == "magnitude":
        return np.argsort(-np.abs(values), kind="stable")[:count]
    order = np.argsort(values, kind="stable")
    if which == "both":
        return order if len(order) <= 2 * count else np.concatenate([order[:count], order[-count:]])
    return order[:count] if which == "smallest" else order[::-1][:count]


def _beyond(values: Array, reach: Any, kept: Array, count: int, which: str) -> Array:
    """Which of the values, moved outwards by `reach`, lie further out than the innermost one kept."""
    if which == "magnitude":
        found: Array = np.abs(values) + reach > np.abs(kept).min()
        return found
    above, below = np.zeros(len(values), bool), np.zeros(len(values), bool)
    if which in {"largest", "both"}:
        above = values + reach > kept[-count:].min()
    if which in {"smallest", "both"}:
        below = values - reach < kept[:count].max()
    return above | below


def _written(vectors: list[Any], basis: Any) -> Any:
    """Vectors as the first rows of the basis."""
    rows = basis[: len(vectors)]
    for place, vector in enumerate(vectors):
        rows[place] = vector
    return rows
