"""Mean and fluctuation of the map of an epoch over all orders of its samples, for quadratic losses.

An epoch is (x, 1) ← A (x, 1) with A = Π(1 − ηB_t), B_t the map of batch t. To third order

    A = 1 − ηnB̄ + η²Q₂ − η³Q₃,   Q₂ = Σ_{t<t'} B_t' B_t,   Q₃ = Σ_{t<t'<t''} B_t'' B_t' B_t,

whose means over the orders are known exactly; only what is left is averaged over orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.epoch_noise import NoiseSums, exact_pulls
from thermograd.theory.epoch_orders import MOST, all_orders, number_of_orders, random_orders
from thermograd.theory.sampling_settings import SamplingSettings

Array = npt.NDArray[Any]

LARGEST_CHUNK = 4_000_000  # numbers gathered at a time


@dataclass(frozen=True, eq=False)
class EpochMoments:
    """What an epoch does on average over the orders.

    Attributes:
        mean: ⟨A⟩, `(N + 1, N + 1)`.
        spread: ⟨A⊗A⟩ − ⟨A⟩⊗⟨A⟩, `((N + 1)², (N + 1)²)`.
        plain: Σ_t ⟨R_t R_tᵀ⟩ with R_t the product of the maps after step t, `(N, N)`.
        averaged: Σ_t ⟨Z_t Z_tᵀ⟩ with Z_t = R_t (1 − ηB_t) + R_t, but in Z_0 a map `first` before 1 − ηB_0, `(N, N)`.
        rests_on: which orders went in, in words.
    """

    mean: Array
    spread: Array
    plain: Array
    averaged: Array
    rests_on: str


def epoch_moments(
    maps: Array, settings: SamplingSettings, *, first: Array, orders: int, seed: int
) -> EpochMoments:
    """The averages over all orders where there are at most 10 000, else over random ones.

    Args:
        maps: B_i, `(M, N + 1, N + 1)`.
        settings: of the sampler.
        first: what is applied to the weights before an epoch, `(N, N)`.
        orders: number of random orders.
        seed: of the random orders.
    """
    ways = number_of_orders(settings.batch_sizes)
    if ways <= MOST:
        chosen, text = all_orders(settings.batch_sizes), f"all {ways} orders of the samples"
    else:
        chosen = random_orders(settings.samples, orders, np.random.default_rng(seed))
        text = f"{len(chosen)} random orders of the samples in reversed pairs"
    side = maps.shape[-1]
    maps_so_far, noise = _MapSums(maps, settings), NoiseSums(side - 1)
    width = max(1, LARGEST_CHUNK // (settings.samples * (side - 1) * side))
    for begin in range(0, len(chosen), width):
        batches = _batch_maps(maps, chosen[begin : begin + width], settings)
        maps_so_far.add(batches)
        noise.add(settings.learning_rate * batches[:, :, :-1, :-1], first)
    mean, spread = maps_so_far.moments(len(chosen))
    plain, averaged = noise.means(len(chosen), exact_pulls(maps[:, :-1, :-1], settings))
    return EpochMoments(mean=mean, spread=spread, plain=plain, averaged=averaged, rests_on=text)


class _MapSums:
    """Running sums over orders of A and A⊗A."""

    def __init__(self, maps: Array, settings: SamplingSettings) -> None:
        self.rate, side = settings.learning_rate, maps.shape[-1]
        size = side - 1
        self.second, self.third = _means_of_products(maps, settings)
        linear = np.eye(side) - self.rate * settings.steps_per_epoch * maps.mean(axis=0)
        self.known = linear + self.rate**2 * self.second - self.rate**3 * self.third
        self.beyond = np.zeros((side, side))
        self.away, self.products = np.zeros(size * side), np.zeros((size * side, size * side))

    def add(self, batches: Array) -> None:
        """Orders whose batches have the maps B_t, `(orders, n, N + 1, N + 1)`."""
        count, steps, side, _ = batches.shape
        whole = np.tile(np.eye(side), (count, 1, 1))
        so_far, pairs, triples = np.zeros((3, count, side, side))
        for step in range(steps):
            triples += batches[:, step] @ pairs
            pairs += batches[:, step] @ so_far
            so_far += batches[:, step]
            whole = whole - self.rate * batches[:, step] @ whole
        away = whole - self.known
        beyond = away - self.rate**2 * (pairs - self.second) + self.rate**3 * (triples - self.third)
        self.beyond += beyond.sum(axis=0)
        flat = away[:, :-1].reshape(count, -1)
        self.away += flat.sum(axis=0)
        self.products += flat.T @ flat

    def moments(self, count: int) -> tuple[Array, Array]:
        """⟨A⟩ and ⟨A⊗A⟩ − ⟨A⟩⊗⟨A⟩ over `count` orders."""
        side = len(self.known)
        size = side - 1
        away = self.away / count
        covariance = (self.products / count - np.outer(away, away)).reshape(size, side, size, side)
        spread = np.zeros((side, side, side, side))
        spread[:size, :size] = covariance.transpose(0, 2, 1, 3)
        return self.known + self.beyond / count, spread.reshape(side**2, side**2)


def _batch_maps(maps: Array, orders: Array, settings: SamplingSettings) -> Array:
    """B_t = (n/M) Σ of the B_i in batch t, `(orders, n, N + 1, N + 1)`."""
    side = maps.shape[-1]
    rows = maps[:, :-1].reshape(len(maps), -1)
    begins, sizes = settings.edges[:-1], settings.batch_sizes
    sums = rows[orders[:, begins]]
    for place in range(
        1, sizes.max()
    ):  # one member of every batch at a time, which is faster than np.add.reduceat
        filled = sizes > place
        where = slice(None) if filled.all() else filled
        sums[:, where] += rows[orders[:, begins[filled] + place]]
    batches = np.zeros((*sums.shape[:2], side, side))
    batches[:, :, :-1] = sums.reshape(*sums.shape[:2], side - 1, side)
    batches *= settings.steps_per_epoch / settings.samples
    return batches


def _means_of_products(maps: Array, settings: SamplingSettings) -> tuple[Array, Array]:
    """⟨Q₂⟩ and ⟨Q₃⟩: means of B_i B_j and B_i B_j B_k over different samples, times e₂ and e₃ of the shares n m_t/M.

    With Σ the sum over samples, Σ_{i≠j} B_i B_j = (ΣB)² − ΣB², and over three different samples
    (ΣB)³ − (ΣB²)(ΣB) − Σ_i B_i (ΣB) B_i − (ΣB)(ΣB²) + 2 ΣB³.
    """
    count = settings.samples
    shares = settings.batch_sizes * settings.steps_per_epoch / count
    powers = [float((shares**power).sum()) for power in (1, 2, 3)]
    second = (powers[0] ** 2 - powers[1]) / 2
    third = (powers[0] ** 3 - 3 * powers[0] * powers[1] + 2 * powers[2]) / 6
    total, squares = maps.sum(axis=0), maps @ maps
    square = squares.sum(axis=0)
    pairs = total @ total - square
    triples = (
        total @ total @ total
        - square @ total
        - total @ square
        - (maps @ total @ maps).sum(axis=0)
        + 2 * (squares @ maps).sum(axis=0)
    )
    return second * pairs / max(count * (count - 1), 1), third * triples / max(
        count * (count - 1) * (count - 2), 1
    )
