"""Eigenvalues of the Hessian of a live loss: all of them, or the outermost."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.errors import ConfigError
from thermograd.numerics.extreme_eigenpairs import ENDS, extreme_eigenpairs
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """Eigenvalues h of a Hessian, and how well they are known.

    Attributes:
        values: h, `(k,)`, in float64; of the largest the largest first, of the smallest the smallest first, of those of largest
            magnitude the largest magnitude first, of both ends or all of them ascending.
        residuals: |Hv − hv|, `(k,)`, which bounds the distance of each from the nearest eigenvalue, at least the rounding of weights below
            float32; of the full spectrum the size of what rounding made unsymmetric.
        converged: whether all residuals are within the tolerance.
        matvecs: products it took.
        vectors: v as columns `(P, k)`, or None if they were not asked for.

    >>> print(Eigenvalues(np.array([3.0, 1.0]), np.array([1e-9, 2e-9]), True, 20))
    3, 1 (± 2e-09, 20 products)
    """

    values: npt.NDArray[np.float64]
    residuals: npt.NDArray[np.float64]
    converged: bool
    matvecs: int
    vectors: Tensor | None = None

    def __str__(self) -> str:
        shown = [f"{value:.6g}" for value in self.values]
        if len(shown) > _SHOWN:
            half = _SHOWN // 2
            shown = [*shown[:half], f"... {len(shown) - 2 * half} more ...", *shown[-half:]]
        unsure = "" if self.converged else ", not converged"
        return f"{', '.join(shown)} (± {self.residuals.max():.2g}, {self.matvecs} products{unsure})"


def full_spectrum(dense: Tensor, *, vectors: bool) -> Eigenvalues:
    """All eigenvalues, ascending.

    Args:
        dense: H as it was computed, `(P, P)`.
        vectors: whether eigenvectors are wanted.
    """
    wide = dense.double()
    error = float((wide - wide.T).norm()) / 2
    symmetric = (wide + wide.T) / 2
    basis: Tensor | None = None
    if vectors:
        values, basis = torch.linalg.eigh(symmetric)
        basis = basis.to(dense.dtype)
    else:
        values = torch.linalg.eigvalsh(symmetric)
    return Eigenvalues(values.cpu().numpy(), np.full(len(wide), error), True, len(wide), basis)


def outermost(
    product: Callable[[Tensor], Tensor],
    size: int,
    count: Any,
    which: str,
    *,
    tolerance: float,
    max_steps: int | None,
    vectors: bool,
    seed: int,
    like: dict[str, Any],
    rounding: float = 0.0,
) -> Eigenvalues:
    """The k outermost eigenvalues by Lanczos.

    Args:
        product: v `(P,)` -> H v.
        size: P.
        count: k.
        which: one of `ENDS`.
        tolerance: of the residuals, over the largest |h|.
        max_steps: of a search; None for what mostly suffices.
        vectors: whether eigenvectors are wanted.
        seed: of the first vector.
        like: dtype and device.
        rounding: of the products, over the largest |h|, where it is coarser than dtype: no residual is smaller.

    Raises:
        ConfigError: an unknown end, more eigenvalues than there are, or a tolerance that is none.
    """
    if which not in ENDS:
        message = f"which is {which!r}; use one of {', '.join(map(repr, ENDS))}"
        raise ConfigError(message)
    check_finite_number("tol", tolerance, zero=False, error=ConfigError)
    check_whole_number("k", count, 1, of="eigenvalues", error=ConfigError)
    wanted = 2 * count if which == "both" else count
    if wanted > size:
        message = (
            f"k is {count} (which={which!r}); there are {size} parameters. k=None gives the full spectrum"
        )
        raise ConfigError(message)
    if max_steps is not None:
        check_whole_number(
            "max_steps", max_steps, wanted, of="products, as many as eigenvalues", error=ConfigError
        )
    steps = min(size, max(20 * wanted, 100) if max_steps is None else max_steps)
    generator, used = torch.Generator().manual_seed(seed), 0

    def random() -> Tensor:
        return torch.randn(size, generator=generator).to(**like)

    def counted(vector: Tensor) -> Tensor:
        nonlocal used
        used += 1
        return product(vector)

    basis = torch.empty(steps, size, **like)
    ritz, columns = extreme_eigenpairs(
        counted, random(), basis, int(count), which, tolerance=tolerance, again=random
    )
    if not ritz.converged:
        worst, scale = float(ritz.residuals.max()), float(np.abs(ritz.values).max())
        message = (
            f"{len(ritz.values)} eigenvalues have not converged in {steps} steps: residuals up to {worst:.2g}, of a largest curvature "
            f"of {scale:.4g}. They are given as they are; raise max_steps or tol, or ask for fewer"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    residuals = np.maximum(ritz.residuals, rounding * np.abs(ritz.values).max())
    return Eigenvalues(ritz.values, residuals, ritz.converged, used, columns.clone() if vectors else None)
