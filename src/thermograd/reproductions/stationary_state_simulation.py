"""Ensembles that begin in the predicted stationary state, and what is measured on them beside the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.estimators.trajectory_pieces import mean_of_pieces
from thermograd.numerics.log_times import At, Every
from thermograd.observables.landscape import gradients
from thermograd.quantities import Estimate, Landscape
from thermograd.theory.linear_process import StationaryState

Array = npt.NDArray[Any]

LEVEL = 0.99
WINDOW = 3


@dataclass(frozen=True)
class Plan:
    """How an ensemble is simulated.

    Attributes:
        problem: what is trained.
        minibatching: how.
        dynamics: by which update.
        trajectories: their number.
        snapshots: so many times three consecutive updates are stored.
        gap: updates from one snapshot to the next.
        seed: of all randomness.
    """

    problem: Any
    minibatching: Any
    dynamics: Any
    trajectories: int
    snapshots: int
    gap: int
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Simulated:
    """Stored states of an ensemble beside the state that was predicted.

    Attributes:
        plan: how it was simulated.
        landscape: of its loss.
        state: predicted.
        points: four consecutive states at every snapshot, `(trajectory, snapshot, 4, N)`.
        updates: simulated in all, over all trajectories.
    """

    plan: Plan
    landscape: Landscape
    state: StationaryState
    points: Array
    updates: int

    @property
    def snapshots(self) -> Array:
        """`(trajectory, snapshot, N)`."""
        first: Array = self.points[:, :, 0]
        return first

    @property
    def displacements(self) -> Array:
        """Of the update that follows each snapshot, `(trajectory, snapshot, N)`."""
        moved: Array = self.points[:, :, 1] - self.points[:, :, 0]
        return moved

    @property
    def away(self) -> Array:
        """Snapshots from their mean."""
        away: Array = self.snapshots - self.snapshots.mean(axis=(0, 1))
        return away

    @property
    def length(self) -> str:
        """What was simulated, in words."""
        slowest = self.state.relaxation_times[-1] / self.state.steps_per_update
        each = self.plan.snapshots * self.plan.gap
        unit = "steps" if self.state.steps_per_update == 1 else "epochs"
        return (
            f"{self.plan.trajectories} x {each} {unit}, {each / slowest:.2g} relaxation times of the flattest direction, "
            "begun in the predicted state"
        )


def simulate(plan: Plan, landscape: Landscape, state: StationaryState) -> Simulated:
    """Run the ensemble from draws of the predicted state, in float64.

    Args:
        plan: what to run.
        landscape: of its loss.
        state: predicted.
    """
    per_update = state.steps_per_update
    firsts = plan.gap * (np.arange(plan.snapshots) + 1) - WINDOW
    times = per_update * (firsts[:, None] + np.arange(WINDOW + 1))
    weights = landscape.unflatten(state.sample(plan.trajectories, seed=plan.seed))
    done = run(
        Experiment(
            plan.problem,
            minibatching=plan.minibatching,
            dynamics=plan.dynamics,
            trajectories=plan.trajectories,
            steps=int(times[-1, -1]),
            observe=(),
            start={name: torch.from_numpy(value) for name, value in weights.items()},
            save_weights=At(tuple(int(time) for time in np.unique(times))),
            seed=plan.seed,
            dtype="float64",
            block_size=plan.trajectories,
        )
    )
    points = np.stack(
        [np.stack([landscape.flatten(done.weights(int(time))) for time in row], axis=1) for row in times],
        axis=1,
    )
    return Simulated(plan, landscape, state, points, plan.trajectories * int(times[-1, -1]) // per_update)


def full_gradient_step(simulated: Simulated, learning_rate: float) -> Array:
    """E[Δθ | θ] at every snapshot, −η∇L, `(trajectory, snapshot, N)`."""
    drift: Array = -learning_rate * gradients(simulated.plan.problem, points=simulated.snapshots)
    return drift


def spread_along(simulated: Simulated, directions: Array) -> Estimate:
    """Mean over directions of measured over predicted variance, 1 where the prediction is right.

    Args:
        simulated: the ensemble.
        directions: columns `(N, k)`.
    """
    inside = simulated.away @ directions
    predicted = np.einsum("ik,ij,jk->k", directions, simulated.state.covariance, directions)
    return _mean((inside**2 / predicted).mean(axis=2))


def noise_along(simulated: Simulated, directions: Array) -> Estimate:
    """Mean over directions of the measured variance of one update over 2D plus that of its drift.

    Args:
        simulated: the ensemble.
        directions: columns `(N, k)`.
    """
    state = simulated.state
    drift = state.propagator - np.eye(len(state.propagator))
    predicted = 2 * state.diffusion + drift @ state.covariance @ drift.T
    inside = simulated.displacements @ directions
    return _mean((inside**2 / np.einsum("ik,ij,jk->k", directions, predicted, directions)).mean(axis=2))


def circulation_along(simulated: Simulated, displacements: Array) -> Estimate:
    """Measured circulation over predicted, in units of the predicted spread: ⟨K, C measured⟩/⟨K, C⟩, K = Σ⁻¹CΣ⁻¹.

    Args:
        simulated: the ensemble.
        displacements: recorded or conditional, `(trajectory, snapshot, N)`.
    """
    inverse = np.linalg.pinv(simulated.state.covariance, rcond=1e-12, hermitian=True)
    weight = inverse @ simulated.state.circulation @ inverse
    centred = displacements - displacements.mean(axis=(0, 1))
    swept = np.einsum("...i,ij,...j->...", simulated.away, weight, centred)
    return _mean(swept / float((weight * simulated.state.circulation).sum()))


def entropy_of_updates(simulated: Simulated, displacements: Array, centre: Array) -> Estimate:
    """⟨σ⟩ of one update from displacements, recorded or conditional.

    Args:
        simulated: the ensemble.
        displacements: `(trajectory, snapshot, N)`.
        centre: from which the entropy force counts.
    """
    force = simulated.state.entropy_force
    assert force is not None  # predicted without momentum
    away = simulated.snapshots - centre
    return _mean(((away @ force.T) * displacements).sum(axis=2))


def shift_in_spreads(simulated: Simulated, direction: Array, origin: Array) -> Estimate:
    """Distance of the mean from a point along a direction, in predicted standard deviations.

    Args:
        simulated: the ensemble.
        direction: `(N,)`.
        origin: `(N,)`.
    """
    spread = float(np.sqrt(direction @ simulated.state.covariance @ direction))
    return _mean((simulated.snapshots - origin) @ direction / spread)


def _mean(series: Array) -> Estimate:
    """Mean over trajectories, which are independent, of their means."""
    found = mean_of_pieces(series)
    low, high = found.interval(LEVEL)
    return Estimate(
        float(found.value), (float(low), float(high)), level=LEVEL, pieces=found.pieces, note=found.note
    )


def bridge_of_an_epoch(
    plan: Plan, landscape: Landscape, state: StationaryState, epochs: int = 3
) -> tuple[Array, Array]:
    """Spread tr Σ at every step of a few epochs, begun in the predicted state.

    Args:
        plan: what to run.
        landscape: of its loss.
        state: predicted, of epochs.
        epochs: how many.

    Returns:
        Steps and tr Σ.
    """
    steps = epochs * state.steps_per_update
    weights = landscape.unflatten(state.sample(plan.trajectories, seed=plan.seed + 1))
    done = run(
        Experiment(
            plan.problem,
            minibatching=plan.minibatching,
            dynamics=plan.dynamics,
            trajectories=plan.trajectories,
            steps=steps,
            observe=(),
            start={name: torch.from_numpy(value) for name, value in weights.items()},
            save_weights=Every(1),
            seed=plan.seed,
            dtype="float64",
            block_size=plan.trajectories,
        )
    )
    times = np.arange(steps + 1)
    spread = [float(landscape.flatten(done.weights(int(time))).var(axis=0, ddof=1).sum()) for time in times]
    return times, np.array(spread)
