"""Noise that depends on the weights: the stationary covariance when every sample is its own parabola.

Away from the centre the per-sample gradients are G_i + K_i δ, and the covariance of one step grows by
κ Σ_i (K_i − H) Σ (K_i − H), κ = η² v/(M − 1) with v = 1/m − 1/M, or (M − 1)/(M m) with repeats. For quadratic samples
Σ = A Σ A + 2D + κ Σ_i (K_i − H) Σ (K_i − H) is exact. Its map may have a spectral radius of 1 or more though A is
stable: then the variance is infinite, and the weights have a heavy tail.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.numerics.lyapunov import RelaxationModes
from thermograd.quantities import Verdict

Array = npt.NDArray[Any]

WINDOW, ROUNDS, ACCURACY = 8, 500, 1e-13


def mean_diffusion(
    relaxation: RelaxationModes, diffusion: Array, sample_hessians: Array, *, strength: float, discrete: bool
) -> Array | Verdict:
    """⟨D(θ)⟩ in the stationary state, `(N, N)`, or the `Verdict` `infinite_variance`.

    A process of this constant diffusion has the same covariance and circulation. The evidence is the spectral radius of
    the growth of the noise over the decay, which is below 1 if and only if that of the whole map is.

    Args:
        relaxation: η H in modes.
        diffusion: D at the centre, `(N, N)`.
        sample_hessians: K_i, `(M, N, N)`.
        strength: κ.
        discrete: False for continuous time.

    >>> modes, hessians = RelaxationModes.of(np.array([[0.1]])), np.array([[[1.5]], [[0.5]]])
    >>> 2 * mean_diffusion(modes, np.array([[0.1]]), hessians, strength=0.1, discrete=True)  # 0.2 + 0.05 Σ
    array([[0.27142857]])
    """
    away = relaxation.basis.T @ (sample_hessians - sample_hessians.mean(axis=0)) @ relaxation.basis
    still = relaxation.covariance(2 * relaxation.into(diffusion), discrete=discrete)

    def grown(covariance: Array) -> Array:
        noise = np.tensordot(away @ covariance, away, axes=([0, 2], [0, 1]))
        return relaxation.covariance(strength * (noise + noise.T) / 2, discrete=discrete)

    radius = _spectral_radius(grown, still)
    if radius >= 1:
        return _infinite(radius)
    covariance, residual = _fixed_point(lambda now: still + grown(now), still)
    variances = np.linalg.eigvalsh(covariance)
    if residual > 1e-9 or variances[0] < -1e-9 * variances[-1]:
        return _infinite(radius)
    noise = np.tensordot(away @ covariance, away, axes=([0, 2], [0, 1]))
    extra = relaxation.back(strength * noise / 2)
    mean: Array = diffusion + (extra + extra.T) / 2
    return mean


def _infinite(radius: float) -> Verdict:
    text = (
        "no stationary covariance: away from the minimum the gradient noise grows faster than the drift pulls back, so that "
        "the weights have a heavy tail of infinite variance. Take a smaller learning rate or larger batches"
    )
    return Verdict(False, "infinite_variance", text, {"spectral_radius": radius})


def _spectral_radius(grown: Any, start: Array) -> float:
    """Of a map that keeps matrices positive, by power iteration from a positive matrix."""
    current, radius = start / np.linalg.norm(start), 0.0
    for _ in range(ROUNDS):
        following = grown(current)
        before, radius = radius, float(np.linalg.norm(following))
        if radius == 0 or abs(radius - before) <= 1e-6 * radius:
            break
        current = following / radius
    return radius


def _fixed_point(step: Any, start: Array) -> tuple[Array, float]:
    """X = step(X) by Anderson's acceleration, and the relative residual it ends with."""
    points, images = [start], [step(start)]
    residual = float("inf")
    for _ in range(ROUNDS):
        errors = np.array([(image - point).ravel() for point, image in zip(points, images, strict=True)])
        residual = float(np.linalg.norm(errors[-1]) / np.linalg.norm(images[-1]))
        if residual <= ACCURACY:
            break
        mixed = images[-1]
        if len(points) > 1:
            weights = np.linalg.lstsq((errors[:-1] - errors[-1]).T, -errors[-1], rcond=None)[0]
            for weight, image in zip(weights, images[:-1], strict=True):
                mixed = mixed + weight * (image - images[-1])
        points, images = [*points[1 - WINDOW :], mixed], [*images[1 - WINDOW :], step(mixed)]
    return images[-1], residual
