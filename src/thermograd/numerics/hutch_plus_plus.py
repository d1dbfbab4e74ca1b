"""The trace of a symmetric matrix that is known by its products only, with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtrit

from thermograd.quantities import Estimate


def hutch_plus_plus(
    products: Callable[[Any], Any],
    draw: Callable[[int], Any],
    basis: Any,
    orthonormal: Callable[[Any], Any],
    *,
    level: float = 0.95,
    block: int = 1,
) -> Estimate:
    """The trace of A from 3n products: exact on a sketched space Q of n directions, by random signs outside of it.

    tr(QᵀAQ) + (1/n) Σ z_i with z_i = gᵢᵀ(1−QQᵀ)A(1−QQᵀ)gᵢ, gᵢ random signs, Q an orthonormal basis of A S, S random signs
    (Meyer, Musco, Musco & Woodruff, *Hutch++*, SOSA 2021, Algorithm 1). Given Q the z are independent and
    unbiased, so the standard error is sd(z)/√n, and Student's interval with n − 1 degrees of freedom covers. A few
    eigenvalues that dominate fall into Q and leave no error.

    Args:
        products: rows `(m, P)` -> A of each row, `(m, P)`.
        draw: m -> random signs, `(m, P)`.
        basis: `(n, P)`, n ≥ 2, numpy or torch; overwritten.
        orthonormal: rows `(n, P)` -> orthonormal rows of the same span.
        level: two-sided.
        block: rows in one call of `products`.

    Returns:
        The trace; `pieces` is n.

    Raises:
        ValueError: n below 2.

    >>> generator = np.random.default_rng(0)
    >>> spectrum = np.concatenate([[50.0, -20.0], np.zeros(98)])
    >>> trace = hutch_plus_plus(
    ...     lambda rows: rows * spectrum,
    ...     lambda count: generator.choice([-1.0, 1.0], (count, 100)),
    ...     np.zeros((5, 100)),
    ...     lambda rows: np.linalg.qr(rows.T)[0].T,
    ... )
    >>> round(trace.value, 9), round(trace.high - trace.low, 9)  # all of it in Q
    (30.0, 0.0)
    """
    count = len(basis)
    if count < 2:
        message = f"basis has {count} rows; at least 2 are needed for an error"
        raise ValueError(message)
    for rows in _blocks(count, block):
        basis[rows] = products(draw(rows.stop - rows.start))
    space = orthonormal(basis)
    inside, forms = 0.0, []
    for rows in _blocks(count, block):
        inside += sum(_products(space[rows], products(space[rows])))
    for rows in _blocks(count, block):
        signs = draw(rows.stop - rows.start)
        outside = signs - (signs @ space.T) @ space
        forms += _products(outside, products(outside))
    value = inside + float(np.mean(forms))
    error = float(np.std(forms, ddof=1) / np.sqrt(count))
    half = float(stdtrit(count - 1, (1 + level) / 2)) * error
    return Estimate(value, (value - half, value + half), level=level, pieces=count)


def _blocks(count: int, block: int) -> list[slice]:
    return [slice(first, min(first + block, count)) for first in range(0, count, block)]


def _products(rows: Any, others: Any) -> list[float]:
    """Scalar products of pairs of rows."""
    return [float(row @ other) for row, other in zip(rows, others, strict=True)]
