"""The noise of a reshuffled epoch against the form with all pairs of samples, and its growth with N and M."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
from paired_seconds import paired_seconds

from thermograd.quantities import Landscape
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion

AGREEMENT = 1e-9


def drawn(samples: int, count: int) -> Landscape:
    """Random samples with symmetric Hessians."""
    rng = np.random.default_rng(samples + count)
    roots = rng.normal(size=(samples, count, count)) / np.sqrt(count)
    gradients = rng.normal(size=(samples, count))
    return Landscape(
        sample_gradients=gradients - gradients.mean(axis=0), sample_hessians=roots @ roots.transpose(0, 2, 1)
    )


def tensor_form(land: Landscape, batch: int) -> np.ndarray:
    """From all K_i G_j at once, `(M, M, N)`."""
    M, m = land.samples, batch
    pairs = np.einsum("iab,jb->ija", land.sample_hessians, land.sample_gradients, optimize=True) / m**2
    pairs[np.arange(M), np.arange(M)] = 0
    B, C, t = pairs.sum(0), pairs.sum(1), pairs.sum((0, 1))
    F = np.einsum("ija,ijb->ab", pairs, pairs, optimize=True)
    G = np.einsum("ija,jib->ab", pairs, pairs, optimize=True)
    a2 = (M - m) * (M * (M - 4) + (M - 4) * m + 6) / (12 * (M - 2) * (M - 1) ** 2)
    a3 = (M - m) * (M + m - 2) / (4 * (M - 1) ** 2)
    a4 = -((M - m) ** 2) / (4 * (M - 1) ** 2)
    a5 = -(M - m) * (M * (M - 4) + (M + 2) * m) / (12 * (M - 2) * (M - 1) ** 2)
    a6 = (m - 1) * (M - m) / (2 * (M - 1) ** 2 * (M - 2) * (M - 3))
    rest = np.outer(t, t) - (B + C).T @ (B + C) + F + G
    total = a2 * (B.T @ B + C.T @ C) + (a3 - 2 * a2) * F + (a4 - 2 * a5) * G
    return (total + a5 * (B.T @ C + C.T @ B) + a6 * rest) / 2


def ours(land: Landscape, batch: int) -> np.ndarray:
    return reshuffled_diffusion(land, learning_rate=1.0, batch_size=batch).value


def seconds(samples: int, count: int) -> float:
    land = drawn(samples, count)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        ours(land, 10)
        taken.append(time.perf_counter() - start)
    return min(taken)


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    land = drawn(1000, 7)
    difference = np.abs(ours(land, 10) - tensor_form(land, 10)).max() / np.abs(tensor_form(land, 10)).max()
    if difference > AGREEMENT:
        message = f"the two forms differ by {difference:.2g}"
        raise AssertionError(message)
    mine, other = paired_seconds(lambda: ours(land, 10), lambda: tensor_form(land, 10))
    yield (
        "noise of an epoch, N = 7, M = 1000, speed over the (M, M, N) form (equal to 1e-9)",
        other / mine,
        ">=",
        100,
    )
    tracemalloc.start()
    ours(land, 10)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    yield "the same, peak memory, MB", peak, "<=", 10
    small, large = seconds(1000, 80), seconds(1000, 240)
    power = float(np.log(large / small) / np.log(3))
    yield (
        "growth with N, from 80 to 240 at M = 1000: power of N (3 by the count of operations)",
        power,
        "<=",
        3.5,
    )
    small, large = seconds(2000, 40), seconds(16_000, 40)
    power = float(np.log(large / small) / np.log(8))
    yield "growth with M, from 2000 to 16 000 at N = 40: power of M (1 by the count)", power, "<=", 1.3
