"""Covariances against scipy's discrete Lyapunov equation, and a whole prediction against one `eigh`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from paired_seconds import paired_seconds
from scipy.linalg import solve_discrete_lyapunov

from thermograd.numerics.lyapunov import RelaxationModes, stationary_covariance
from thermograd.quantities import Landscape
from thermograd.theory.heavy_ball import pair_covariances
from thermograd.theory.stationary_state import predict

AGREEMENT = 1e-10
SAMPLES, RATE, MOMENTUM = 2000, 0.01, 0.9


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A Hessian with curvatures from 0.02 to 5, and gradients of the samples."""
    rng = np.random.default_rng(count)
    turn = np.linalg.qr(rng.normal(size=(count, count)))[0]
    hessian = turn * np.geomspace(0.02, 5.0, count) @ turn.T
    gradients = rng.normal(size=(SAMPLES, count)) @ (turn * np.geomspace(0.02, 5.0, count) ** 0.5)
    return (hessian + hessian.T) / 2, gradients - gradients.mean(axis=0)


def agree(what: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Stop if two matrices differ by more than 1e-10 of the largest element."""
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if difference > AGREEMENT:
        message = f"{what} differs from scipy.linalg.solve_discrete_lyapunov by {difference:.2g}"
        raise AssertionError(message)


def covariance_speed(count: int) -> float:
    hessian, gradients = drawn(count)
    noise = RATE**2 * gradients.T @ gradients / SAMPLES
    propagator = np.eye(count) - RATE * hessian

    def ours() -> np.ndarray:
        return stationary_covariance(RATE * hessian, noise)

    def theirs() -> np.ndarray:
        return solve_discrete_lyapunov(propagator, noise)

    agree(f"covariance of {count}", ours(), theirs())
    mine, other = paired_seconds(ours, theirs)
    return other / mine


def momentum_speed(count: int) -> float:
    """Both in (weights, learning rate x buffer), the scaling that is easy for scipy."""
    hessian, gradients = drawn(count)
    noise = RATE**2 * gradients.T @ gradients / SAMPLES
    same, kick = np.eye(count), np.array([[1.0, -1.0], [-1.0, 1.0]])
    joint = np.block([[same - RATE * hessian, -MOMENTUM * same], [RATE * hessian, MOMENTUM * same]])

    def ours() -> np.ndarray:
        modes = RelaxationModes.of(hessian)
        blocks = pair_covariances(RATE * modes.rates, modes.into(noise) / 2, MOMENTUM)
        return np.block([[modes.back(blocks[row, column]) for column in range(2)] for row in range(2)])

    def theirs() -> np.ndarray:
        return solve_discrete_lyapunov(joint, np.kron(kick, noise))

    agree(f"momentum, {count} parameters", ours(), theirs())
    mine, other = paired_seconds(ours, theirs)
    return other / mine


def prediction_cost(count: int) -> float:
    hessian, gradients = drawn(count)
    land = Landscape(sample_gradients=gradients, hessian=hessian)
    mine, other = paired_seconds(
        lambda: predict(land, learning_rate=RATE, batch_size=20), lambda: np.linalg.eigh(hessian)
    )
    return mine / other


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    for count in (200, 490):
        what = f"covariance, N = {count}, speed over scipy.linalg.solve_discrete_lyapunov (equal to 1e-10)"
        yield what, covariance_speed(count), ">=", 3.0
    yield "the same with momentum, N = 100, 200 coordinates", momentum_speed(100), ">=", 3.0
    yield "predict, N = 490, M = 2000, time over one numpy.linalg.eigh", prediction_cost(490), "<=", 6.0
