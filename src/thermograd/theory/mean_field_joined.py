"""Independent solutions of the mean-field equations, put side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.theory.mean_field_mixture import Mixture, generalization_error
from thermograd.theory.mean_field_paths import Solved
from thermograd.theory.mean_field_solution import MeanField

Array = npt.NDArray[Any]


def joined(
    solved: list[Solved], mixture: Mixture, steps: int, memory: int | None, rests_on: str
) -> MeanField:
    """The first `steps` steps of independent solutions, as one.

    Args:
        solved: the solutions.
        mixture: what was learned.
        steps: as many as all of them have done.
        memory: steps for which responses were kept; None = all.
        rests_on: the setting, in words.
    """
    after = steps + 1
    overlap = np.stack([one.overlap[:after] for one in solved])
    correlation = np.stack([one.correlation[:after, :after] for one in solved])
    crossed = [one.cross_correlation[:after, :after] for one in solved if one.cross_correlation is not None]
    cross = np.stack(crossed) if crossed else None
    norm = np.diagonal(correlation, axis1=1, axis2=2)
    kernel = np.stack([one.memory[:steps, :steps] for one in solved])
    margins = _of_samples(solved, "margin", steps) / np.sqrt(norm[:, :-1])
    return MeanField(
        overlap=overlap,
        correlation=correlation,
        response=np.stack([one.response[:after, :steps] for one in solved]),
        memory_kernel=kernel,
        noise_kernel=np.stack([one.noise[:steps, :steps] for one in solved]),
        train_loss=_of_samples(solved, "loss", steps),
        train_error=_of_samples(solved, "error", steps),
        generalization_error=generalization_error(overlap, norm, mixture),
        boundary_width=margins if mixture.clusters == 2 else np.full_like(margins, np.nan),
        cross_correlation=cross,
        replica_distance=None if cross is None else 2 * (norm - np.diagonal(cross, axis1=1, axis2=2)),
        jitter=np.array([one.jitter for one in solved]),
        truncation_error=_truncation_errors(kernel, memory),
        rests_on=rests_on,
    )


def _of_samples(solved: list[Solved], name: str, steps: int) -> Array:
    return np.array([[getattr(means, name) for means in one.samples[:steps]] for one in solved])


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
