"""The weights in the mean-field equations: overlap, response and correlation, which obey linear equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from thermograd.theory.mean_field_mixture import Mixture

Array = npt.NDArray[Any]

_FLOOR = 1e-9
"""Smallest share of the variance of a preactivation that is left free when the past is known."""


class WeightKernels:
    """m(t), G(t), R(t, t′) and C(t, t′) of one or two replicas, row after row.

    With Γ(t, t′) the memory and M(t, t′) the noise that the samples exert, μ(t) their mean force and η the step:

        m(t+1) = m(t) − η[λ m(t) + μ(t) + Σ_{u≤t} Γ(t, u) m(u)],    G the same without μ, G(0) = 1,
        R(t+1, t′) = R(t, t′) − η[λ R(t, t′) + Σ_{u≤t} Γ(t, u) R(u, t′)] + η δ_tt′,
        C_ab = (C₀ − m₀²) G Gᵀ + R M_ab Rᵀ + m mᵀ.

    Preactivations are Gaussian with covariance C plus what they answer; their Cholesky factor is extended by a row a step.
    M_aa is a Gram matrix of the paths, so that C is positive semidefinite by construction. Without noise from batches
    the next preactivation is nearly determined by the past, and rounding would leave less than nothing of it: the pivot is
    then lifted to 1e-9 of the variance, and `jitter` keeps the largest lift over the variance.

    Attributes:
        learning_rate: η.
        overlap: m, `(T+1,)`.
        start_response: G, `(T+1,)`.
        response: R, `(T+1, T)`.
        correlation: C of replicas a and b, `(replicas, replicas, T+1, T+1)`.
        memory: Γ, `(T, T)`.
        noise: M of replicas a and b, `(replicas, replicas, T, T)`.
        jitter: the largest lift so far.
    """

    def __init__(self, mixture: Mixture, learning_rate: float, steps: int, replicas: int, depth: int) -> None:
        self._mixture = mixture
        self.learning_rate = learning_rate
        self._depth = depth
        self.overlap = np.zeros(steps + 1)
        self.start_response = np.zeros(steps + 1)
        self.response = np.zeros((steps + 1, steps))
        self.correlation = np.zeros((replicas, replicas, steps + 1, steps + 1))
        self.memory = np.zeros((steps, steps))
        self.noise = np.zeros((replicas, replicas, steps, steps))
        self.jitter = 0.0
        self._factor = np.zeros((replicas * steps, replicas * steps))
        self.overlap[0] = mixture.initial_overlap
        self.start_response[0] = 1.0
        self.correlation[..., 0, 0] = mixture.initial_norm_squared

    @property
    def replicas(self) -> int:
        """One or two."""
        return len(self.noise)

    def factor_row(self, step: int, replica: int) -> Array:
        """Row of the Cholesky factor for a preactivation at `step`, in the order (step, replica).

        Args:
            step: t.
            replica: a; called for every a at every t in turn.
        """
        place = step * self.replicas + replica
        with_past = self.correlation[replica, :, step, : step + 1].T.reshape(-1)
        variance = with_past[place]
        row: Array = self._factor[place]
        if place:
            known = self._factor[:place, :place]
            row[:place] = solve_triangular(known, with_past[:place], lower=True, check_finite=False)
        left = variance - row[:place] @ row[:place]
        floor = _FLOOR * variance
        if left < floor:
            self.jitter = max(self.jitter, float((floor - left) / variance))
        row[place] = np.sqrt(max(left, floor))
        return row[: place + 1]

    def advance(self, step: int, force: float, memory: Array, noise: Array) -> None:
        """From t to t + 1.

        Args:
            step: t.
            force: μ(t).
            memory: Γ(t, t′), `(t + 1,)`.
            noise: M_ab(t, t′) at t of replica a and t′ of replica b, `(replicas, replicas, t + 1)`.
        """
        after, known = step + 1, slice(0, step + 1)
        self.memory[step, known] = memory
        self.noise[:, :, step, known] = noise
        self.noise[:, :, known, step] = noise.swapaxes(0, 1)
        self.overlap[after] = self.carried(step, self.overlap) - self.learning_rate * force
        self.start_response[after] = self.carried(step, self.start_response)
        self.response[after, :step] = self.carried(step, self.response[:, :step])
        self.response[after, step] = self.learning_rate
        self._correlate(after)

    def carried(self, step: int, values: Array) -> Array:
        """(1 − ηλ) x(t) − η Σ_{u≤t} Γ(t, u) x(u), what an update without forces makes of numbers that follow the weights.

        Args:
            step: t, at which Γ is known.
            values: x, times on axis 0.
        """
        heard = slice(max(0, step - self._depth), step + 1)
        felt = self.learning_rate * self.memory[step, heard]
        stays = 1 - self.learning_rate * self._mixture.weight_decay
        after: Array = stays * values[step] - felt @ values[heard]
        return after

    def _correlate(self, after: int) -> None:
        """The row and column of C at `after`."""
        mixture, upto = self._mixture, slice(0, after + 1)
        free = mixture.initial_norm_squared - mixture.initial_overlap**2
        rows = free * self.start_response[after] * self.start_response[upto]
        rows = rows + self.overlap[after] * self.overlap[upto]
        past = self.response[upto, :after]
        for one in range(self.replicas):
            for other in range(self.replicas):
                noise = self.noise[one, other, :after, :after]
                row = rows + past @ (self.response[after, :after] @ noise)
                self.correlation[one, other, after, upto] = row
                self.correlation[other, one, upto, after] = row
