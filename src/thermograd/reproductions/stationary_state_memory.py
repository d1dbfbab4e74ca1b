"""How much of what an ensemble shows is still the state it was begun in: what a prediction used as a start cannot fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.linear_process import StationaryState

Array = npt.NDArray[Any]

LEAST = 0.01
"""Of a deviation, the share below which nothing of it is taken to show."""


def covariance_left(state: StationaryState, times: Array) -> Array:
    """The part of the covariance at some times that the start makes up, averaged over them: mean of AᵗΣAᵗ.

    An ensemble that was begun in a predicted state with covariance Σ has at time t the covariance Σ' + Aᵗ(Σ − Σ')Aᵗ,
    where Σ' is the true one. A is symmetric, of plain gradient descent.

    Args:
        state: predicted, and begun in.
        times: in updates, `(time,)`.

    Returns:
        `(N, N)`.
    """
    modes, powers = _modes(state, times)
    inside = modes.T @ state.covariance @ modes
    left: Array = modes @ (inside * (powers @ powers.T) / len(times)) @ modes.T
    return left


def position_left(state: StationaryState, direction: Array, times: Array) -> float:
    """The same of a displacement of the mean along a direction d: mean of dᵀAᵗd, with |d| = 1.

    Args:
        state: as above.
        direction: `(N,)`.
        times: in updates.
    """
    modes, powers = _modes(state, times)
    return float((modes.T @ direction) ** 2 @ powers.mean(axis=1))


def without_the_start(measured: Array, expected: Any, left: Any) -> Array:
    """What would be measured long after the start: x' with measured = left · expected + (1 − left) · x'.

    A short ensemble that was begun where theory says leaves a wide interval, not a confirmation.

    Args:
        measured: what linear functions of the covariance, or of the mean, gave.
        expected: what they are in the predicted state.
        left: the share of `expected` that the start alone gives at the times of the measurement.

    >>> without_the_start(np.array([1.1]), 1.0, 0.5).round(3).tolist()
    [1.2]
    """
    seen = np.clip(1 - np.asarray(left, float), LEAST, 1.0)
    result: Array = expected + (measured - expected) / seen
    return result


def _modes(state: StationaryState, times: Array) -> tuple[Array, Array]:
    """Eigenvectors of A `(N, N)`, and each eigenvalue to the power of each time `(N, time)`."""
    factors, modes = np.linalg.eigh((state.propagator + state.propagator.T) / 2)
    return modes, factors[:, None] ** np.asarray(times, float)
