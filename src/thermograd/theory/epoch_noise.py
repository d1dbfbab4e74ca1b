"""What an epoch makes of the normal numbers injected in it, averaged over the orders of the samples.

With P_t = ηK_t the pull of batch t and R_t = Π_{t'>t} (1 − P_t') what follows a step, the noise of step t arrives as R_t, and
where it is shared with the step before as Z_t = R_t (1 − P_t) + R_t. Sums over random orders are freed from the fluctuation
of all that is linear or quadratic in the pulls, whose mean is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.sampling_settings import SamplingSettings

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PullMoments:
    """Means over the orders, summed over the steps t of an epoch; S_t = Σ_{t'>t} P_t', each `(N, N)`.

    Attributes:
        later: Σ S_t.
        own: Σ P_t.
        later_later: Σ S_t S_tᵀ.
        later_own: Σ S_t P_t.
        own_own: Σ P_t P_tᵀ.
        ordered: Σ T_t with T_t = Σ_{t<t'<t''} P_t'' P_t'.
    """

    later: Array
    own: Array
    later_later: Array
    later_own: Array
    own_own: Array
    ordered: Array

    def plain(self) -> Array:
        """Σ R_t R_tᵀ to second order in the pulls, less its constant."""
        half = self.later_later / 2 + self.ordered - self.later
        whole: Array = half + half.T
        return whole

    def averaged(self) -> Array:
        """Σ Z_t Z_tᵀ to second order in the pulls, less its constant."""
        linear = 2 * (2 * self.later + self.own)
        square = 2 * self.later_later + 2 * self.later_own + self.own_own / 2
        half = square + 2 * (2 * self.ordered + self.later_own) - linear
        whole: Array = half + half.T
        return whole


@dataclass(eq=False)
class NoiseSums:
    """Running sums over orders.

    Attributes:
        size: N.
    """

    size: int
    plain: Array = field(init=False)
    averaged: Array = field(init=False)
    pulls: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        self.plain, self.averaged = np.zeros((2, self.size, self.size))
        self.pulls = {name: np.zeros((self.size, self.size)) for name in PullMoments.__annotations__}

    def add(self, pulls: Array, first: Array) -> None:
        """Orders with the pulls P_t, `(orders, n, N, N)`, from the last step to the first.

        Args:
            pulls: P_t.
            first: a map of the weights before the first step, `(N, N)`.
        """
        count, steps, size, _ = pulls.shape
        after, later = np.tile(np.eye(size), (count, 1, 1)), np.zeros((count, size, size))
        ordered = np.zeros((size, size))
        for step in range(steps - 1, -1, -1):
            own = pulls[:, step]
            through = after - after @ own
            both = (through if step else through @ first) + after
            self.plain += _squared(after)
            self.averaged += _squared(both)
            crossed = np.tensordot(later, own, axes=([0, 2], [0, 1]))
            self.pulls["later"] += later.sum(axis=0)
            self.pulls["own"] += own.sum(axis=0)
            self.pulls["later_later"] += _squared(later)
            self.pulls["later_own"] += crossed
            self.pulls["own_own"] += _squared(own)
            self.pulls["ordered"] += ordered
            after, later, ordered = through, later + own, ordered + crossed

    def means(self, count: int, exact: PullMoments) -> tuple[Array, Array]:
        """Σ ⟨R_t R_tᵀ⟩ and Σ ⟨Z_t Z_tᵀ⟩ over `count` orders, to second order with the exact moments."""
        sampled = PullMoments(**{name: total / count for name, total in self.pulls.items()})
        return (
            self.plain / count + exact.plain() - sampled.plain(),
            self.averaged / count + exact.averaged() - sampled.averaged(),
        )


def exact_pulls(hessians: Array, settings: SamplingSettings) -> PullMoments:
    """The moments over all orders.

    Two different samples have ⟨K_i K_j⟩ = X, so that batches of shares s_t = n m_t/M have ⟨K_t K_t'⟩ = s_t s_t' X and
    ⟨K_t²⟩ = s_t² X + (n/M) s_t (⟨K_i²⟩ − X).

    Args:
        hessians: K_i, `(M, N, N)`.
        settings: of the sampler.
    """
    rate, count = settings.learning_rate, settings.samples
    mean, square = hessians.mean(axis=0), (hessians @ hessians).mean(axis=0)
    different = (count * mean @ mean - square) / (count - 1) if count > 1 else np.zeros_like(mean)
    extra = settings.steps_per_epoch / count * (square - different)
    shares = settings.batch_sizes * settings.steps_per_epoch / count
    left = shares[::-1].cumsum()[::-1] - shares
    squares = (shares**2)[::-1].cumsum()[::-1] - shares**2
    return PullMoments(
        later=rate * left.sum() * mean,
        own=rate * shares.sum() * mean,
        later_later=rate**2 * ((left**2).sum() * different + left.sum() * extra),
        later_own=rate**2 * (left * shares).sum() * different,
        own_own=rate**2 * ((shares**2).sum() * different + shares.sum() * extra),
        ordered=rate**2 * (left**2 - squares).sum() / 2 * different,
    )


def _squared(matrices: Array) -> Array:
    """Σ X Xᵀ over axis 0."""
    return np.tensordot(matrices, matrices, axes=([0, 2], [0, 2]))
