"""Diffusion matrix of SGD that reshuffles every epoch: the noise of an epoch is of fourth order in the learning rate.

Every sample comes once an epoch, so that the gradient noise cancels to first order and what is left is the order in which
the samples came (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521, (B14) to (B21)), with three terms
of the published matrix corrected: the correlation of two regularisers of different batches, a5, and a6, which is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Landscape, Prediction
from thermograd.theory.effective_loss import sample_products
from thermograd.theory.training_settings import TrainingSettings, check_landscape

Array = npt.NDArray[Any]

LARGEST_BLOCK = 2 * 2**30  # bytes that the third-order array may take
FLAT_MODES = "in flat directions, and in the entropy production, it may be off by orders of magnitude"


def reshuffled_diffusion(
    landscape: Landscape, *, learning_rate: float, batch_size: int, form: str = "exact"
) -> Prediction:
    """D̂, half the covariance of one epoch without replacement, at the point of the landscape, `(N, N)`.

    With S_ij = (n/M)² K_i G_j for i ≠ j, else 0, B_i = Σ_j S_ji, C_i = Σ_j S_ij, t = Σ S_ij, F = Σ S_ij S_ijᵀ and
    Γ = Σ S_ij S_jiᵀ:

        D̂ = (η⁴/2) [ a2 (BBᵀ + CCᵀ) + (a3 − 2 a2) F + (a4 − 2 a5) Γ + a5 (BCᵀ + CBᵀ) + a6 (ttᵀ − (B+C)(B+C)ᵀ + F + Γ) ].

    No `(M, M, N)` array is made: time O(M N³), memory O(N³ + M N), above 2 GiB in blocks.

    Args:
        landscape: with Hessians of the samples (not for "large_sample").
        learning_rate: η.
        batch_size: m, a divisor of the number of samples.
        form: "exact" to O(η⁴); "leading_term", (η⁴/2) a2 BBᵀ (B21); "large_sample", (ηn)⁴/24 H (GᵀG/M²) H (18). The last
            two are close in norm and useless in flat directions.

    Raises:
        ConfigError: a ValueError: an argument out of its range, or a landscape without Hessians of the samples.

    >>> land = Landscape(sample_gradients=[[1.0], [-1.0]], sample_hessians=[[[1.5]], [[0.5]]])
    >>> reshuffled_diffusion(land, learning_rate=1.0, batch_size=1).value.tolist()  # (K₂G₁ − K₁G₂)²/8
    [[0.5]]
    """
    check_landscape(landscape)
    settings = TrainingSettings(
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        minibatching="without_replacement",
        form=form,
    )
    return reshuffled_diffusion_of(landscape, settings)


def reshuffled_diffusion_of(landscape: Landscape, settings: TrainingSettings) -> Prediction:
    """`reshuffled_diffusion` of settings that have been checked.

    Args:
        landscape: with Hessians of the samples (not for "large_sample").
        settings: of SGD without replacement.
    """
    rate, steps = settings.learning_rate, settings.steps_per_epoch
    size = landscape.sample_gradients.shape[1]
    if steps == 1:
        return Prediction(np.zeros((size, size)), rests_on="one batch an epoch: no noise")
    if settings.form == "large_sample":
        pulled = landscape.sample_gradients @ landscape.hessian / landscape.samples
        text = f"the limit of many samples and batches; {FLAT_MODES}"
        return Prediction((rate * steps) ** 4 / 24 * pulled.T @ pulled, rests_on=text)
    exact = settings.form == "exact"
    pairs = _pairs(landscape, scale=1 / settings.batch_size**2, exact=exact)
    value = rate**4 / 2 * _combined(pairs, landscape.samples, settings.batch_size, exact=exact)
    text = f"the noise of an epoch to fourth order in the learning rate{'' if exact else f', of which one term; {FLAT_MODES}'}"
    return Prediction((value + value.T) / 2, rests_on=text)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Sums over pairs of different samples. `earlier`: B, `(M, N)`; `later`: C; `alike`: F; `crossed`: Γ, `(N, N)`."""

    earlier: Array
    later: Array
    alike: Array
    crossed: Array


def _combined(pairs: _Pairs, samples: int, batch: int, *, exact: bool) -> Array:
    earlier, later = pairs.earlier, pairs.later
    if samples == 2:  # the coefficients are 0/0; two orders, one of them before the other
        way = (earlier - later)[0]
        return np.outer(way, way) / 4
    rest, m, M = samples - batch, batch, samples
    a2 = rest * (M * (M - 4) + (M - 4) * m + 6) / (12 * (M - 2) * (M - 1) ** 2)
    own = earlier.T @ earlier
    if not exact:
        return a2 * own
    a3 = rest * (M + m - 2) / (4 * (M - 1) ** 2)
    a4 = -((rest / (M - 1)) ** 2) / 4
    a5 = -rest * (M * (M - 4) + (M + 2) * m) / (12 * (M - 2) * (M - 1) ** 2)
    a6 = (m - 1) * rest / (2 * (M - 1) ** 2 * (M - 2) * (M - 3)) if M > 3 else 0.0
    both = earlier + later
    mixed = earlier.T @ later
    total = earlier.sum(axis=0)
    alike, crossed = pairs.alike, pairs.crossed
    result: Array = (
        a2 * (own + later.T @ later)
        + (a3 - 2 * a2) * alike
        + (a4 - 2 * a5) * crossed
        + a5 * (mixed + mixed.T)
        + a6 * (np.outer(total, total) - both.T @ both + alike + crossed)
    )
    return result


def _pairs(landscape: Landscape, *, scale: float, exact: bool) -> _Pairs:
    """The sums in the basis u_r of Σ G_i G_iᵀ, from K_i u_r of one r at a time."""
    gradients, samples = landscape.sample_gradients, landscape.samples
    products = sample_products(landscape)
    size = gradients.shape[1]
    weights, basis = np.linalg.eigh(gradients.T @ gradients)
    along = gradients @ basis  # G_i·u_s, (M, N)
    total = along.sum(axis=0)
    own, later, alike = np.zeros_like(gradients), np.zeros_like(gradients), np.zeros((size, size))
    whole = exact and 16 * size**3 <= LARGEST_BLOCK
    third = np.empty((size, size, size)) if whole else None
    for place in range(size):
        column = products(basis[:, place])
        own += column * along[:, place, None]
        later += column * total[place]
        if exact:
            alike += weights[place] * (column.T @ column)
        if third is not None:
            third[:, place] = column.T @ along
    earlier = samples * gradients @ landscape.hessian - own
    crossed = alike
    if exact:
        self_pairs = own.T @ own
        crossed = _contracted(third, third) if third is not None else _crossed(products, basis, along)
        crossed, alike = crossed - self_pairs, alike - self_pairs
    return _Pairs(scale * earlier, scale * (later - own), scale**2 * alike, scale**2 * crossed)


def _contracted(left: Array, right: Array) -> Array:
    """Σ_rs X_ars Y_bsr, `(N, N)`."""
    size = len(left)
    product: Array = left.reshape(size, -1) @ right.transpose(0, 2, 1).reshape(size, -1).T
    return product


def _crossed(products: Callable[[Array], Array], basis: Array, along: Array) -> Array:
    """Σ_ij (K_i G_j)(K_j G_i)ᵀ = Σ_rs W_ars W_bsr with W_ars = Σ_i (K_i u_r)_a (G_i·u_s), `(N, N)`."""
    size = len(basis)
    width = max(1, min(size, int(np.sqrt(LARGEST_BLOCK / (16 * size)))))
    result = np.zeros((size, size))
    starts = range(0, size, width)

    def block(rows: slice, columns: slice) -> Array:
        chosen = basis[:, rows].T
        return np.stack([products(vector).T @ along[:, columns] for vector in chosen], axis=1)

    for first in starts:
        rows = slice(first, first + width)
        for second in starts[starts.index(first) :]:
            columns = slice(second, second + width)
            left = block(rows, columns)
            right = left if first == second else block(columns, rows)
            part = _contracted(left, right)
            result += part if first == second else part + part.T
    return result
