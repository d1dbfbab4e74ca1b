"""The mean-field equations solved as they usually are: sweeps over all times, damped, until the kernels stop changing.

A sweep is given the best loops we have, those of the pass forward; what differs is that it starts from kernels of all times
and returns new ones.
"""

from __future__ import annotations

import math

import numpy as np

from thermograd.theory.mean_field_losses import MixtureLoss
from thermograd.theory.mean_field_memory import SampleResponses
from thermograd.theory.mean_field_mixture import Mixture
from thermograd.theory.selection_processes import Selection

Kernels = tuple[np.ndarray, np.ndarray, np.ndarray]
"""m, R and C."""


class FixedPoint:
    """Sweeps with the random numbers of solution 0 of `mean_field.solve`."""

    def __init__(self, mixture: Mixture, rate: float, steps: int, paths: int, response_paths: int) -> None:
        self.mixture, self.rate, self.steps, self.heard = mixture, rate, steps, response_paths
        normal, batches = map(np.random.default_rng, np.random.SeedSequence((0, 0)).spawn(2))
        self.white = normal.standard_normal((steps, paths))
        self.chosen = list(Selection(kind="sgd").weights(paths, steps, batches))
        self.centres, self.labels = mixture.centres_and_labels(paths)
        self.loss = MixtureLoss(mixture)

    def start(self) -> Kernels:
        """Weights that stay where they are."""
        steps, norm = self.steps, self.mixture.initial_norm_squared
        correlation = np.full((steps + 1, steps + 1), norm)
        return np.zeros(steps + 1), np.zeros((steps + 1, steps)), correlation

    def sweep(self, kernels: Kernels) -> Kernels:
        """All times of the samples, then all times of the weights."""
        overlap, response, correlation = kernels
        mixture, steps, paths = self.mixture, self.steps, self.white.shape[1]
        variance, ratio = mixture.cluster_variance, mixture.sample_ratio
        lifted = correlation[:-1, :-1] + 1e-9 * np.diag(np.diagonal(correlation)[:-1])
        free = math.sqrt(variance) * (np.linalg.cholesky(lifted) @ self.white)
        responses = SampleResponses(self.heard, steps, steps - 1, variance)
        forces, memory = np.zeros((steps, paths)), np.zeros((steps, steps))
        for step in range(steps):
            h = self.centres * overlap[step] + free[step] - variance * (response[step, :step] @ forces[:step])
            _, first, second = self.loss.derivatives(h, self.labels)
            forces[step], curvature = self.chosen[step] * first, self.chosen[step] * second
            memory[step, : step + 1] = responses.advance(
                step, response[step, :step], curvature[: self.heard]
            )[1]
            memory[step, step] = curvature.mean()
        noise = ratio * variance * forces @ forces.T / paths
        return self._weights(ratio * variance * memory, noise, ratio * (forces @ self.centres) / paths)

    def _weights(self, memory: np.ndarray, noise: np.ndarray, pull: np.ndarray) -> Kernels:
        mixture, steps, rate = self.mixture, self.steps, self.rate
        overlap, start, response = np.zeros(steps + 1), np.zeros(steps + 1), np.zeros((steps + 1, steps))
        overlap[0], start[0] = mixture.initial_overlap, 1.0
        for t in range(steps):
            felt, stays = rate * memory[t, : t + 1], 1 - rate * mixture.weight_decay
            overlap[t + 1] = stays * overlap[t] - felt @ overlap[: t + 1] - rate * pull[t]
            start[t + 1] = stays * start[t] - felt @ start[: t + 1]
            response[t + 1] = stays * response[t] - felt @ response[: t + 1]
            response[t + 1, t] += rate
        free = mixture.initial_norm_squared - mixture.initial_overlap**2
        correlation = (
            free * np.outer(start, start) + response @ noise @ response.T + np.outer(overlap, overlap)
        )
        return overlap, response, correlation

    def damped(self, sweeps: int, share: float) -> Kernels:
        """`share` of the new kernels and the rest of the old, `sweeps` times."""
        kernels = self.start()
        for _ in range(sweeps):
            new = self.sweep(kernels)
            kernels = tuple(share * a + (1 - share) * b for a, b in zip(new, kernels, strict=True))
        return kernels
