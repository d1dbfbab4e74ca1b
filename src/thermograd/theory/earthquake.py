"""The earthquake: gradient descent whose gradient is taken at a randomly shaken point.

θ ← θ − η ∇L(θ + ζ z) with z standard normal: noise of covariance η² ζ² H², which commutes with the Hessian. Nothing
circulates, yet the state is not exp(−βL) (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from thermograd.numerics.lyapunov import RelaxationModes, square_matrix
from thermograd.quantities import Verdict
from thermograd.theory.curvature import dropped_coordinates, flat, not_a_minimum, unstable
from thermograd.theory.linear_process import StationaryState, settled
from thermograd.theory.training_settings import check_positive, check_time


def earthquake(
    hessian: npt.ArrayLike, *, learning_rate: float = 1e-6, noise_scale: float = 1e-4, time: str = "discrete"
) -> StationaryState | Verdict:
    """The stationary state around the minimum: Σ = η ζ² H (2 − η H)⁻¹, in continuous time η ζ² H/2.

    Variance grows with curvature, exponent +1: the state is Boltzmann's on a landscape with the Hessian H⁻¹, at the
    inverse temperature β = 2/(η ζ²) (the paper prints the reciprocal).

    Args:
        hessian: H, `(N, N)`.
        learning_rate: η.
        noise_scale: ζ.
        time: "discrete" or "continuous".

    Returns:
        The state, about 0; or the `Verdict` `not_a_minimum`, `unstable` or, without any curvature, `no_noise`.

    Raises:
        ConfigError: a ValueError: an argument out of its range.

    >>> state = earthquake([[1.0, 0.0], [0.0, 4.0]], learning_rate=0.1, noise_scale=1.0, time="continuous")
    >>> state.covariance.diagonal().round(12).tolist(), state.equilibrium.kind, round(state.inverse_temperature, 12)
    ([0.05, 0.2], 'equilibrium', 20.0)
    """
    check_positive("learning_rate", learning_rate)
    check_positive("noise_scale", noise_scale)
    check_time(time)
    matrix = square_matrix("hessian", hessian)
    modes = RelaxationModes.of((matrix + matrix.T) / 2)
    refused = not_a_minimum(modes) or unstable(modes, learning_rate, 2.0)
    if refused is not None:
        return refused
    loose = flat(modes)
    held = modes.keep(~loose)
    if not held.rates.size:
        return Verdict(False, "no_noise", "no stationary state: without curvature the shaking moves nothing")
    noise = (learning_rate * noise_scale) ** 2 / 2 * (held.basis * held.rates**2) @ held.basis.T
    facts = {
        "mean": np.zeros(len(matrix)),
        "dropped": dropped_coordinates(modes, loose),
        "title": f"the earthquake, learning rate {learning_rate:g}, noise scale {noise_scale:g}",
        "inverse_temperature": 2 / (learning_rate * noise_scale**2),
        "rests_on": "a quadratic loss; the inverse temperature belongs to a landscape with the inverse Hessian",
    }
    relaxation = RelaxationModes(learning_rate * held.rates, held.basis)
    propagator = np.eye(len(matrix)) - learning_rate * matrix
    noise = (noise + noise.T) / 2
    state = settled(relaxation, noise, propagator, discrete=time == "discrete", facts=facts)
    return replace(state, excess_loss=float(np.vdot(matrix, state.covariance)) / 2)
