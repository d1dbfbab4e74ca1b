"""The exact stationary mean and covariance of a sampler on a quadratic potential, at the ends of epochs.

With x = θ − θ₀ an epoch is (x, 1) ← A (x, 1) + noise with a random A; mean and second moment obey linear equations in ⟨A⟩
and ⟨A⊗A⟩, which the neighbouring files average over the orders of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Landscape, Prediction, Verdict
from thermograd.theory.epoch_moments import EpochMoments, epoch_moments
from thermograd.theory.epoch_orders import disjoint_pairs
from thermograd.theory.gaussian import Gaussian
from thermograd.theory.sample_parabolas import SampleParabolas, improper
from thermograd.theory.sampling_settings import SamplingSettings
from thermograd.theory.training_settings import check_landscape

Array = npt.NDArray[Any]

PAIRS = 4000


@dataclass(frozen=True, eq=False)
class _Process:
    """(x, 1) ← A (x, 1) + noise; at its end noise of variance `pending` is added that the next update subtracts.

    Attributes:
        mean: ⟨A⟩, `(N + 1, N + 1)`.
        second: ⟨A⊗A⟩, `((N + 1)², (N + 1)²)`.
        noise: covariance of the noise of an update, `(N, N)`.
        pending: per coordinate.
        rests_on: in words.
    """

    mean: Array
    second: Array
    noise: Array
    pending: float
    rests_on: str


def stationary_distribution(
    landscape: Landscape,
    algorithm: str,
    *,
    learning_rate: float,
    batch_size: int,
    temperature: float = 1.0,
    orders: int = 20000,
    seed: int = 0,
) -> Prediction | Verdict:
    """What a sampler really draws from: its mean and covariance on a quadratic U, without simulation.

    Exact in the learning rate: nothing is expanded. If M!/Π m_t! ≤ 10 000 all orders of the samples are gone through, and the
    moments are exact; else `orders` random ones, which costs time ∝ orders · n N³. If m does not divide M, the n = ⌈M/m⌉ batches
    of an epoch begin at ⌊tM/n + ½⌋, differ by one sample at most and are weighted by their size. "sgworld" is exact with the noise of its
    correction; of "sgworld_published" its mean is taken.

    The distribution is a Gaussian only nearly, because a reshuffled epoch has finitely many orders; mean and covariance are what
    is exact.

    Args:
        landscape: of U, at or next to its minimum, with Hessians of the samples and at most 20 parameters.
        algorithm: one of `ALGORITHMS`.
        learning_rate: η, which multiplies ∇U.
        batch_size: m.
        temperature: T of the injected noise.
        orders: number of random orders.
        seed: of the random orders.

    Returns:
        A `Prediction` whose value is a `Gaussian` with the absolute mean; or a `Verdict` of kind `no_stationary_state` if the
        learning rate is too large, `not_a_minimum` or `improper`.

    Raises:
        ConfigError: a ValueError: an argument out of its range, no Hessians of the samples, or too many parameters.

    >>> land = Landscape(sample_gradients=[[2.0], [-2.0]], sample_hessians=[[[4.0]], [[4.0]]])
    >>> found = stationary_distribution(land, "sgld", learning_rate=0.05, batch_size=2).value
    >>> round(float(found.covariance[0, 0]), 6)  # (1/h)/(1 − ηh/2)
    0.277778
    >>> found = stationary_distribution(land, "sgworld", learning_rate=0.05, batch_size=1).value
    >>> round(float(found.covariance[0, 0]), 6)  # 1/h, and (ηh)² η² S/4 of the order over 1 − (1 − ηh)⁴
    0.250678
    """
    check_landscape(landscape)
    check_whole_number("orders", orders, 1, error=ConfigError)
    check_whole_number("seed", seed, 0, error=ConfigError)
    settings = SamplingSettings(
        algorithm=algorithm,
        samples=landscape.samples,
        learning_rate=learning_rate,
        batch_size=batch_size,
        temperature=temperature,
    )
    refused = improper(landscape)
    if refused is not None:
        return refused
    parabolas = SampleParabolas.of(landscape)
    steepest = float(np.linalg.eigvalsh(parabolas.hessian)[-1])
    stride = settings.steps_per_epoch if algorithm == "sgworld_published" else 1
    if stride * learning_rate * steepest >= 2:
        return _no_state(settings, steepest, float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):
        if algorithm == "sgld":
            process = _independent(parabolas, settings)
        else:
            process = _reshuffled(parabolas, settings, orders=orders, seed=seed)
        found = _settled(process)
    if isinstance(found, float):
        return _no_state(settings, steepest, found)
    mean, covariance = found
    return Prediction(
        Gaussian(parabolas.centre + mean, covariance), rests_on=f"quadratic samples; {process.rests_on}"
    )


def drift_of_the_order(maps: Array, settings: SamplingSettings) -> tuple[Array, Array]:
    """∇δL as a map of (x, 1), in its two halves: of −|∇U|² and of tr S/M, both `(N + 1, N + 1)`.

    δL = −(ηc/4) [ |∇U|² − tr S/M ], c = n(n−1) if m divides M (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski,
    arXiv 2306.03521, (16)).

    Args:
        maps: B_i, `(M, N + 1, N + 1)`.
        settings: of the sampler.
    """
    strength = settings.learning_rate * settings.pairs / 2
    mean = maps.mean(axis=0)
    away = maps - mean
    variance = (away @ away).sum(axis=0) / (settings.samples - 1)
    return -strength * mean @ mean, strength * variance / settings.samples


def _independent(parabolas: SampleParabolas, settings: SamplingSettings) -> _Process:
    """A step of SGLD, whose m distinct samples are drawn anew every time."""
    maps, rate, M, m = parabolas.maps, settings.learning_rate, settings.samples, settings.batch_size
    mean = maps.mean(axis=0)
    step = np.eye(len(mean)) - rate * mean
    spread = (M - m) / (m * (M - 1)) / M * _outer(maps - mean) if M > 1 else 0.0
    return _Process(
        mean=step,
        second=np.kron(step, step) + rate**2 * spread,
        noise=2 * rate * settings.temperature * np.eye(len(mean) - 1),
        pending=0.0,
        rests_on="distinct samples in a batch, batches independent of each other",
    )


def _reshuffled(
    parabolas: SampleParabolas, settings: SamplingSettings, *, orders: int, seed: int
) -> _Process:
    maps, rate, heat = parabolas.maps, settings.learning_rate, settings.temperature
    side = maps.shape[-1]
    before, wobble = np.eye(side), np.zeros((side**2, side**2))
    if settings.algorithm == "sgworld":
        before, wobble = _correction(maps, settings, seed)
    epoch = epoch_moments(maps, settings, first=before[:-1, :-1], orders=orders, seed=seed)
    if settings.algorithm.startswith("sgworld_published"):
        return _published(epoch, maps, settings)
    second = np.kron(epoch.mean, epoch.mean) + epoch.spread
    noise, pending = 2 * rate * heat * epoch.plain, 0.0
    if settings.algorithm != "sgld_without_replacement":
        stirred = wobble.reshape((side,) * 4)[:-1, :-1, :-1, :-1].trace(axis1=2, axis2=3)
        through = np.einsum("abcd,cd->ab", second.reshape((side,) * 4)[:-1, :-1, :-1, :-1], stirred)
        noise, pending = rate * heat / 2 * (epoch.averaged + through), rate * heat / 2
    return _Process(
        mean=epoch.mean @ before,
        second=second @ (np.kron(before, before) + wobble),
        noise=noise,
        pending=pending,
        rests_on=f"weights at the ends of epochs; {epoch.rests_on}",
    )


def _published(epoch: EpochMoments, maps: Array, settings: SamplingSettings) -> _Process:
    """Noise and correction once, at the end of the epoch."""
    mean = epoch.mean
    if settings.algorithm == "sgworld_published":
        mean = mean + settings.learning_rate * sum(drift_of_the_order(maps, settings))
    strength = 2 * settings.learning_rate * settings.steps_per_epoch * settings.temperature
    return _Process(
        mean=mean,
        second=np.kron(mean, mean) + epoch.spread,
        noise=strength * np.eye(len(mean) - 1),
        pending=0.0,
        rests_on=f"weights at the ends of epochs; {epoch.rests_on}; the mean of the correction",
    )


def _correction(maps: Array, settings: SamplingSettings, seed: int) -> tuple[Array, Array]:
    """The map E = 1 + η∇V̂ of two disjoint batches: ⟨E⟩, and ⟨E⊗E⟩ − ⟨E⟩⊗⟨E⟩ over the pairs."""
    M, m, rate = settings.samples, settings.batch_size, settings.learning_rate
    pairs = disjoint_pairs(M, m, PAIRS, np.random.default_rng([seed, 1]))
    gap = maps[pairs[:, 0]].mean(axis=1) - maps[pairs[:, 1]].mean(axis=1)
    moves = rate * (rate * settings.pairs * m / (4 * M)) * gap @ gap
    mean = np.eye(maps.shape[-1]) + rate * drift_of_the_order(maps, settings)[1]
    return mean, _outer(moves - moves.mean(axis=0)) / len(moves)


def _settled(process: _Process) -> tuple[Array, Array] | float:
    """Mean and covariance, or the spectral radius of the second moment if that is 1 or more."""
    side = len(process.mean)
    size = side - 1
    if not np.isfinite(process.second).all() or not np.isfinite(process.noise).all():
        return float("inf")
    second = process.second.reshape((side,) * 4)[:size, :size]
    inner = second[:, :, :size, :size].reshape(size**2, size**2)
    radius = float(np.abs(np.linalg.eigvals(inner)).max())
    if radius >= 1:
        return radius
    mean = np.linalg.solve(np.eye(size) - process.mean[:size, :size], process.mean[:size, size])
    crossed = second[:, :, :size, size] @ mean + second[:, :, size, :size] @ mean
    right = crossed + second[:, :, size, size] + process.noise
    moment = np.linalg.solve(np.eye(size**2) - inner, right.ravel()).reshape(size, size)
    covariance = (moment + moment.T) / 2 - np.outer(mean, mean) + process.pending * np.eye(size)
    return mean, covariance


def _no_state(settings: SamplingSettings, steepest: float, radius: float) -> Verdict:
    rate, steps = settings.learning_rate, settings.steps_per_epoch
    text = (
        f"no stationary state: {settings.algorithm} at learning rate {rate:.4g} does not settle; with the largest curvature "
        f"{steepest:.4g} a step is {rate * steepest:.3g} and an epoch {steps * rate * steepest:.3g} relaxation times long. "
        "Take a smaller learning rate"
    )
    evidence = {
        "spectral_radius": radius,
        "largest_curvature": steepest,
        "learning_rate": rate,
        "steps_per_epoch": steps,
    }
    return Verdict(False, "no_stationary_state", text, evidence)


def _outer(matrices: Array) -> Array:
    """Σ_p X_p ⊗ X_p, `(s², s²)`."""
    count, side, _ = matrices.shape
    flat = matrices.reshape(count, -1)
    products: Array = (flat.T @ flat).reshape((side,) * 4).transpose(0, 2, 1, 3).reshape(side**2, side**2)
    return products
