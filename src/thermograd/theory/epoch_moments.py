"""Mean and fluctuation of the map of an epoch over all orders of its samples, for quadratic losses.

An epoch is (x, 1) ← A (x, 1) with A = Π(1 − ηB_t), B_t the map of batch t. To second order A = 1 − ηnB̄ + η²Q with
Q = Σ_{t<t'} B_t' B_t, whose mean over the orders is known exactly; only what is left is averaged over orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    rate, steps, side = settings.learning_rate, settings.steps_per_epoch, maps.shape[-1]
    mean_map = maps.mean(axis=0)
    second = _mean_of_products(maps, settings)
    known = np.eye(side) - rate * steps * mean_map + rate**2 * second
    sums = _Sums(side)
    width = max(1, LARGEST_CHUNK // (settings.samples * (side - 1) * side))
    for begin in range(0, len(chosen), width):
        batches = _batch_maps(maps, chosen[begin : begin + width], settings)
        sums.add(batches, mean_map, settings, known=known, second=second, first=first)
    return sums.moments(len(chosen), known, rate, text)


class _Sums:
    """Running sums over orders."""

    def __init__(self, side: int) -> None:
        size = side - 1
        self.beyond = np.zeros((side, side))
        self.away, self.products = np.zeros(size * side), np.zeros((size * side, size * side))
        self.plain, self.averaged, self.lever = (np.zeros((size, size)) for _ in range(3))

    def add(
        self,
        batches: Array,
        mean_map: Array,
        settings: SamplingSettings,
        *,
        known: Array,
        second: Array,
        first: Array,
    ) -> None:
        """Orders whose batches have the maps B_t, `(orders, n, N + 1, N + 1)`."""
        rate, (count, steps, side, _) = settings.learning_rate, batches.shape
        size, same = side - 1, np.eye(side)
        whole, so_far, pairs = (
            np.tile(same, (count, 1, 1)),
            np.zeros((count, side, side)),
            np.zeros((count, side, side)),
        )
        for step in range(steps):
            pairs += batches[:, step] @ so_far
            so_far += batches[:, step]
            whole = whole - rate * batches[:, step] @ whole
        away = whole - known
        self.beyond += (away - rate**2 * (pairs - second)).sum(axis=0)
        flat = away[:, :size].reshape(count, -1)
        self.away += flat.sum(axis=0)
        self.products += flat.T @ flat
        shares = settings.batch_sizes * steps / settings.samples
        excess = batches.sum(axis=0) - count * shares[:, None, None] * mean_map
        self.lever += np.tensordot(2 * np.arange(steps) + 1, excess, axes=1)[:size, :size]
        self._add_noise(rate * batches[:, :, :size, :size], first)

    def _add_noise(self, pulls: Array, first: Array) -> None:
        """Of ηB_t without the last row and column, from the last step to the first."""
        count, steps, size, _ = pulls.shape
        later = np.tile(np.eye(size), (count, 1, 1))
        for step in range(steps - 1, -1, -1):
            through = later - later @ pulls[:, step]
            both = (through if step else through @ first) + later
            self.plain += np.tensordot(later, later, axes=([0, 2], [0, 2]))
            self.averaged += np.tensordot(both, both, axes=([0, 2], [0, 2]))
            later = through

    def moments(self, count: int, known: Array, rate: float, text: str) -> EpochMoments:
        """The averages; what is linear in the B_t has its exact mean put in place of that over the orders."""
        side, size = len(known), len(self.plain)
        away = self.away / count
        spread = np.zeros((side, side, side, side))
        covariance = (self.products / count - np.outer(away, away)).reshape(size, side, size, side)
        spread[:size, :size] = covariance.transpose(0, 2, 1, 3)
        lever = rate * (self.lever + self.lever.T) / 2 / count
        return EpochMoments(
            mean=known + self.beyond / count,
            spread=spread.reshape(side**2, side**2),
            plain=self.plain / count + lever,
            averaged=self.averaged / count + 4 * lever,
            rests_on=text,
        )


def _batch_maps(maps: Array, orders: Array, settings: SamplingSettings) -> Array:
    """B_t = (n/M) Σ of the B_i in batch t, `(orders, n, N + 1, N + 1)`."""
    side = maps.shape[-1]
    rows = maps[:, :-1].reshape(len(maps), -1)
    sums = np.add.reduceat(rows[orders], settings.edges[:-1], axis=1) * (
        settings.steps_per_epoch / settings.samples
    )
    batches = np.zeros((*sums.shape[:2], side, side))
    batches[:, :, :-1] = sums.reshape(*sums.shape[:2], side - 1, side)
    return batches


def _mean_of_products(maps: Array, settings: SamplingSettings) -> Array:
    """⟨Q⟩ = (c/2) [ M B̄²/(M−1) − Σ B_i²/(M(M−1)) ], c = `pairs` of the settings."""
    samples = settings.samples
    if settings.steps_per_epoch == 1:
        return np.zeros(maps.shape[1:])
    mean = maps.mean(axis=0)
    own = (maps @ maps).sum(axis=0)
    products: Array = settings.pairs / 2 * (samples * mean @ mean - own / samples) / (samples - 1)
    return products
