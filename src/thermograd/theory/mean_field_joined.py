"""Independent solutions of the mean-field equations, put side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.mean_field_mixture import generalization_error
from thermograd.theory.mean_field_paths import ForwardPass
from thermograd.theory.mean_field_settings import SolverSettings
from thermograd.theory.mean_field_solution import MeanField

Array = npt.NDArray[Any]


def joined(passes: list[ForwardPass], settings: SolverSettings, steps: int, rests_on: str) -> MeanField:
    """The first `steps` steps of independent solutions, as one; means over replicas.

    Args:
        passes: what was solved.
        settings: of all of them.
        steps: as many as all of them have done.
        rests_on: the setting, in words.
    """
    kernels = [one.kernels for one in passes]
    after = steps + 1
    overlap = np.stack([one.overlap[:after] for one in kernels])
    pairs = np.stack([one.correlation[:, :, :after, :after] for one in kernels])
    correlation = np.mean([pairs[:, replica, replica] for replica in range(settings.replicas)], axis=0)
    norm = np.diagonal(correlation, axis1=1, axis2=2)
    noise = [
        one.noise[replica, replica, :steps, :steps] for one in kernels for replica in range(settings.replicas)
    ]
    cross = (pairs[:, 0, 1] + pairs[:, 1, 0]) / 2 if settings.replicas == 2 else None
    mixture = passes[0].mixture
    margins = _of_samples(passes, "margin", steps) / np.sqrt(norm[:, :-1])
    memory = np.stack([one.memory[:steps, :steps] for one in kernels])
    return MeanField(
        overlap=overlap,
        correlation=correlation,
        response=np.stack([one.response[:after, :steps] for one in kernels]),
        memory_kernel=memory,
        noise_kernel=np.reshape(noise, (len(passes), settings.replicas, steps, steps)).mean(axis=1),
        train_loss=_of_samples(passes, "loss", steps),
        train_error=_of_samples(passes, "error", steps),
        generalization_error=generalization_error(overlap, norm, mixture),
        boundary_width=margins if mixture.clusters == 2 else np.full_like(margins, np.nan),
        cross_correlation=cross,
        replica_distance=None if cross is None else 2 * (norm - np.diagonal(cross, axis1=1, axis2=2)),
        jitter=np.array([one.jitter for one in kernels]),
        truncation_error=_truncation_errors(memory, settings.memory),
        rests_on=rests_on,
    )


def _of_samples(passes: list[ForwardPass], name: str, steps: int) -> Array:
    return np.array([[getattr(means, name) for means in one.samples[:steps]] for one in passes])


def _truncation_errors(memory: Array, depth: int | None) -> Array:
    """Largest share, over t ≥ W, of Σ_{t−W≤t′<t−W/2} |Γ(t, t′)| in |Γ(t, t)|."""
    count, steps = memory.shape[:2]
    if depth is None or depth >= steps - 1:
        return np.zeros(count)
    shares = []
    for step in range(depth, steps):
        older = np.abs(memory[:, step, step - depth : step - depth // 2]).sum(axis=1)
        now = np.abs(memory[:, step, step])
        shares.append(np.divide(older, now, out=np.zeros(count), where=now > 0))
    largest: Array = np.max(shares, axis=0)
    return largest
