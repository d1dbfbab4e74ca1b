"""A linear process solved by hand: what the estimates of a stationary state have to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from thermograd.estimators.displacement_of_positions import mean_square_displacement
from thermograd.estimators.displacement_table import DisplacementTable


@dataclass(frozen=True)
class Process:
    """x ← x − F x + noise of covariance 2D, with its exact stationary state from scipy."""

    relaxation: np.ndarray
    diffusion: np.ndarray

    @property
    def propagator(self):
        return np.eye(len(self.relaxation)) - self.relaxation

    @property
    def covariance(self):
        return solve_discrete_lyapunov(self.propagator, 2 * self.diffusion)

    @property
    def circulation(self):
        turned = self.covariance @ self.propagator.T
        return (turned - turned.T) / 2

    @property
    def entropy_force(self):
        """W = −D⁻¹ C Σ⁻¹ with Σ and C = FΣ − D of continuous time."""
        settled = solve_continuous_lyapunov(self.relaxation, 2 * self.diffusion)
        turning = self.relaxation @ settled - self.diffusion
        return -np.linalg.solve(self.diffusion, turning) @ np.linalg.inv(settled)

    @property
    def entropy_production(self):
        return -np.trace(self.entropy_force.T @ self.relaxation @ self.covariance)

    def simulate(self, trajectories, times, *, seed=0, spread=1.0, start=None):
        """Trajectories from the stationary state, its distances × `spread`, or all from one point."""
        generator = np.random.default_rng(seed)
        count = len(self.relaxation)
        root, noise = np.linalg.cholesky(self.covariance), np.linalg.cholesky(2 * self.diffusion)
        place = spread * generator.normal(size=(trajectories, count)) @ root.T
        if start is not None:
            place = np.broadcast_to(start, place.shape)
        places = [place]
        for kick in generator.normal(size=(times - 1, trajectories, count)):
            place = place @ self.propagator.T + kick @ noise.T
            places.append(place)
        return np.stack(places, axis=1)

    def drift(self, points):
        return -points @ self.relaxation.T


@pytest.fixture(scope="session")
def turning():
    """A gradient descent, F symmetric, whose noise makes it circulate."""
    return Process(
        np.array([[0.10, 0.02, 0.0], [0.02, 0.20, 0.0], [0.0, 0.0, 0.05]]),
        np.array([[0.5, 0.4, 0.0], [0.4, 0.6, 0.1], [0.0, 0.1, 0.3]]),
    )


@pytest.fixture(scope="session")
def resting():
    """Noise in proportion to F: detailed balance."""
    relaxation = np.array([[0.10, 0.02, 0.0], [0.02, 0.20, 0.0], [0.0, 0.0, 0.05]])
    return Process(relaxation, 2.0 * relaxation)


class Posterior(NamedTuple):
    """Chains in a quadratic potential U = ½ Σ h θ² of known curvatures h: autoregressive, with stationary variance T/h."""

    curvatures: np.ndarray
    temperature: float = 1.0

    def positions(self, chains, draws, *, memory=0.0, heat=1.0, start=None, seed=0):
        """Chains `(chain, draw, N)`; `heat` multiplies the variance, `start` is in standard deviations."""
        generator = np.random.default_rng(seed)
        kicks = generator.normal(size=(draws, chains, len(self.curvatures)))
        place = kicks[0] if start is None else np.full(kicks[0].shape, float(start))
        places = [place]
        for kick in kicks[1:]:
            place = memory * place + np.sqrt(1 - memory**2) * kick
            places.append(place)
        return np.stack(places, axis=1) * np.sqrt(heat * self.temperature / self.curvatures)

    def fields(self, chains, draws, *, every=1, directions=0, **options):
        """Fields of `PosteriorDraws` with everything measured at every so-many-th draw."""
        points = self.positions(chains, draws, **options)
        measured = np.arange(0, draws, every)
        parts = self.curvatures * np.square(points[:, measured])
        return {
            "parameters": {"weight": points},
            "temperature": self.temperature,
            "potential": parts.sum(axis=2) / 2,
            "virial": parts.sum(axis=2),
            "directional_virial": parts[:, :, len(self.curvatures) - directions :],
            "measured": measured,
        }


@pytest.fixture(scope="session")
def quadratic():
    """Makes quadratic potentials."""
    return Posterior


@dataclass(frozen=True)
class StepVarianceWalk:
    """Independent steps of variance s^(−a) at step s: Δ = Σ s^(−a) over t_w < s ≤ t_w + t, exactly."""

    power: float
    steps: int = 20_000
    first: int = 20
    last: int = 5000
    count: int = 13

    @property
    def waiting_times(self):
        return np.rint(np.geomspace(self.first, self.last, self.count)).astype(int)

    @property
    def lags(self):
        times = np.unique(np.rint(10 ** (np.arange(64) / 8)).astype(int))
        return times[times < self.steps]

    @property
    def variances(self):
        """Variance of a coordinate after s = 0, 1, ... steps."""
        return np.concatenate([[0.0], np.cumsum(np.arange(1.0, self.steps + 1) ** -self.power)])

    def exact(self):
        ends = self.waiting_times[:, None] + self.lags
        inside = ends <= self.steps
        delta = self.variances[np.minimum(ends, self.steps)] - self.variances[self.waiting_times, None]
        squared = np.where(inside, delta, np.nan)[None, ..., None]
        return DisplacementTable(self.waiting_times, self.lags, squared, [1])

    def positions(self, trajectories, parameters=250, *, seed=0):
        """Weights at all steps that some pair of the table needs, and those steps."""
        ends = (self.waiting_times[:, None] + self.lags).ravel()
        steps = np.union1d(self.waiting_times, ends[ends <= self.steps])
        spread = np.sqrt(np.diff(self.variances[np.concatenate([[0], steps])]))
        kicks = np.random.default_rng(seed).normal(size=(trajectories, steps.size, parameters))
        return np.cumsum(kicks * spread[:, None], axis=1), steps

    def simulate(self, trajectories, parameters=250, *, seed=0):
        positions, steps = self.positions(trajectories, parameters, seed=seed)
        return mean_square_displacement(positions, steps, waiting_times=self.waiting_times, lags=self.lags)


@pytest.fixture(scope="session")
def step_variance_walk():
    return StepVarianceWalk
