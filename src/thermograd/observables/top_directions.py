"""The directions in which the loss is most curved, from products with the Hessian."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from thermograd.errors import ConfigError
from thermograd.numerics.extreme_eigenpairs import extreme_eigenpairs

if TYPE_CHECKING:
    from thermograd.observables.per_sample_loss import PerSampleLoss

_TOLERANCE = 1e-8
_PASSES_PER_DIRECTION = 20


def top_directions(
    loss: PerSampleLoss, point: Tensor, count: int, *, seed: int = 0, tolerance: float = _TOLERANCE
) -> tuple[Tensor, Tensor, float]:
    """The k largest eigenvalues of the Hessian and their eigenvectors by Lanczos.

    Args:
        loss: whose Hessian.
        point: `(N,)`.
        count: k.
        seed: of the start vector.
        tolerance: of the residuals, over the largest eigenvalue.

    Returns:
        Eigenvalues `(k,)`, largest first; eigenvectors `(N, k)`; and an upper bound of the smallest eigenvalue of all.

    Raises:
        ConfigError: a ValueError: more directions than parameters.
    """
    size = loss.size
    if not 1 <= count <= size:
        message = (
            f"directions is {count!r}; it must be a whole number from 1 to {size}, the number of parameters"
        )
        raise ConfigError(message)
    generator = torch.Generator().manual_seed(seed)

    def random() -> Tensor:
        return torch.randn(size, generator=generator, dtype=point.dtype).to(point.device)

    steps = min(size, max(_PASSES_PER_DIRECTION * count, 100))
    basis = torch.empty(steps, size, dtype=point.dtype, device=point.device)
    ritz, vectors = extreme_eigenpairs(
        lambda vector: loss.hessian_vector(point, vector),
        random(),
        basis,
        count,
        tolerance=tolerance,
        again=random,
    )
    if not ritz.converged:
        worst = float(ritz.residuals.max())
        message = (
            f"after {steps} products with the Hessian the {count} directions have residuals up to {worst:.2g} of a curvature "
            f"of {ritz.values[0]:.3g}; ask for fewer directions, or take them as they are"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    vectors = torch.linalg.qr(vectors.clone())[0]
    return torch.from_numpy(ritz.values.copy()).to(point), vectors, ritz.smallest
