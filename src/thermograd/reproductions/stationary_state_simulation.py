"""Ensembles that begin in the predicted stationary state, and what is measured on them beside the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.estimators.stochastic_area import AreaSums, area_sums
from thermograd.estimators.trajectory_pieces import mean_of_pieces
from thermograd.numerics.log_times import At, Every
from thermograd.observables.landscape import gradients
from thermograd.observables.stochastic_area import StochasticArea
from thermograd.quantities import Estimate, Landscape
from thermograd.reproductions.stationary_state_memory import (
    covariance_left,
    position_left,
    without_the_start,
)
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
        sums: over all updates, in the columns of `basis`, counted from 0.
        basis: `(N, k)`.
    """

    plan: Plan
    landscape: Landscape
    state: StationaryState
    points: Array
    sums: AreaSums
    basis: Array

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
    def times(self) -> Array:
        """Of the snapshots, in updates since the start."""
        times: Array = self.plan.gap * (np.arange(self.plan.snapshots) + 1) - WINDOW
        return times

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
            "begun in the predicted state, of which the ratios below are freed"
        )


def simulate(plan: Plan, landscape: Landscape, state: StationaryState, basis: Array) -> Simulated:
    """Run the ensemble from draws of the predicted state, in float64.

    Args:
        plan: what to run.
        landscape: of its loss.
        state: predicted.
        basis: columns `(N, k)` in which the sums over all updates are taken.
    """
    per_update = state.steps_per_update
    firsts = plan.gap * (np.arange(plan.snapshots) + 1) - WINDOW
    times = per_update * (firsts[:, None] + np.arange(WINDOW + 1))
    steps = int(times[-1, -1])
    area = StochasticArea(centre="zero", every=Every(per_update), at=At((steps,)), directions=basis)
    saved = At(tuple(int(time) for time in np.unique(times)))
    done = run(
        _experiment(plan, landscape, state.sample(plan.trajectories, seed=plan.seed), steps, saved, (area,))
    )
    points = np.stack(
        [np.stack([landscape.flatten(done.weights(int(time))) for time in row], axis=1) for row in times],
        axis=1,
    )
    return Simulated(plan, landscape, state, points, area_sums(done), basis)


def _experiment(
    plan: Plan, landscape: Landscape, start: Array, steps: int, saved: Any, observed: tuple[Any, ...]
) -> Experiment:
    return Experiment(
        plan.problem,
        minibatching=plan.minibatching,
        dynamics=plan.dynamics,
        trajectories=plan.trajectories,
        steps=steps,
        observe=observed,
        start={name: torch.from_numpy(value) for name, value in landscape.unflatten(start).items()},
        save_weights=saved,
        seed=plan.seed,
        dtype="float64",
        block_size=plan.trajectories,
    )


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
    return _mean(_spreads(simulated, directions).mean(axis=2))


def exponent_along(simulated: Simulated, curvatures: Array, modes: Array) -> Estimate:
    """Exponent p of variance ∝ curvature^p in the directions of the Hessian, about the predicted one to first order.

    Args:
        simulated: the ensemble.
        curvatures: h, `(N,)`.
        modes: columns `(N, N)`.
    """
    heights = np.log(curvatures) - np.log(curvatures).mean()
    weights = heights / (heights**2).sum()  # of a least-squares line through the logarithms
    return _mean(
        predicted_exponent(simulated, curvatures, modes) + (_spreads(simulated, modes) - 1) @ weights
    )


def predicted_exponent(simulated: Simulated, curvatures: Array, modes: Array) -> float:
    """The same of the predicted covariance."""
    variances = np.diagonal(modes.T @ simulated.state.covariance @ modes)
    return float(np.polyfit(np.log(curvatures), np.log(variances), 1)[0])


def _spreads(simulated: Simulated, directions: Array) -> Array:
    """Measured over predicted variances, freed of the start, `(trajectory, snapshot, k)`."""
    state = simulated.state
    inside = simulated.away @ directions
    predicted, left = (
        np.einsum("ik,ij,jk->k", directions, part, directions)
        for part in (state.covariance, covariance_left(state, simulated.times))
    )
    return without_the_start(inside**2 / predicted, 1.0, left / predicted)


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
    whole = float((weight * simulated.state.circulation).sum())
    left = float((weight * _circulation_left(simulated, simulated.times)).sum()) / whole
    return _mean(without_the_start(swept / whole, 1.0, left))


def _circulation_left(simulated: Simulated, times: Array) -> Array:
    """The part of the circulation at some times that the start makes up."""
    remaining, propagator = covariance_left(simulated.state, times), simulated.state.propagator
    left: Array = (remaining @ propagator.T - propagator @ remaining) / 2
    return left


def circulation_of_all_updates(simulated: Simulated) -> Estimate:
    """The same from the area swept in every update, in the subspace of the basis of the sums.

    Args:
        simulated: the ensemble.
    """
    sums, basis = simulated.sums, simulated.basis
    count = sums.count[:, -1]
    centre = (sums.sum[:, -1] / count[:, None]).mean(axis=0)
    assert sums.displacement is not None  # recorded
    moved = sums.displacement[:, -1]
    swept = sums.area[:, -1] - (centre[:, None] * moved[:, None, :] - moved[:, :, None] * centre) / 2
    inverse = np.linalg.pinv(basis.T @ simulated.state.covariance @ basis, rcond=1e-12, hermitian=True)
    predicted = basis.T @ simulated.state.circulation @ basis
    weight = inverse @ predicted @ inverse
    whole = float((weight * predicted).sum())
    each = np.einsum("tij,ij->t", swept / count[:, None, None], weight) / whole
    remaining = basis.T @ _circulation_left(simulated, np.arange(count.max())) @ basis
    return _mean(without_the_start(each[:, None], 1.0, float((weight * remaining).sum()) / whole))


def entropy_of_updates(simulated: Simulated, displacements: Array, centre: Array) -> Estimate:
    """⟨σ⟩ of one update from displacements, recorded or conditional.

    Args:
        simulated: the ensemble.
        displacements: `(trajectory, snapshot, N)`.
        centre: from which the entropy force counts.
    """
    state = simulated.state
    force, production = state.entropy_force, state.entropy_production
    assert force is not None  # predicted without momentum
    assert production is not None
    entropy = (((simulated.snapshots - centre) @ force.T) * displacements).sum(axis=2)
    drift = state.propagator - np.eye(len(force))
    left = np.trace(force.T @ drift @ covariance_left(state, simulated.times)) / production
    return _mean(without_the_start(entropy, production, left))


def shift_in_spreads(simulated: Simulated, direction: Array, origin: Array) -> Estimate:
    """Distance of the mean from a point along a direction, in predicted standard deviations.

    Args:
        simulated: the ensemble.
        direction: `(N,)`.
        origin: `(N,)`.
    """
    state = simulated.state
    spread = float(np.sqrt(direction @ state.covariance @ direction))
    expected = float((state.mean - origin) @ direction / spread)
    shift = (simulated.snapshots - origin) @ direction / spread
    return _mean(without_the_start(shift, expected, position_left(state, direction, simulated.times)))


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
    start = state.sample(plan.trajectories, seed=plan.seed + 1)
    done = run(_experiment(plan, landscape, start, steps, Every(1), ()))
    times = np.arange(steps + 1)
    spread = [float(landscape.flatten(done.weights(int(time))).var(axis=0, ddof=1).sum()) for time in times]
    return times, np.array(spread)
