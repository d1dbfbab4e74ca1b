"""Initial weights: trajectory k of an experiment starts from (seed, k) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import State, Weights


def torch_seeds(
    seed: int,
    trajectories: Sequence[int] | npt.NDArray[np.integer[Any]],
    *,
    stream: int = philox.INITIAL_WEIGHTS,
    step: int = 0,
    call: int = 0,
) -> list[int]:
    """Seeds for torch's generator: (w₀ + 2³² w₁) mod 2⁶³ with words of one stream.

    Args:
        seed: seed of the experiment.
        trajectories: (B,) trajectory numbers.
        stream: initial weights, or perturbation for fresh ones.
        step: step at which they are drawn.
        call: how many were drawn there before; call c uses words 2c and 2c + 1.

    Returns:
        B seeds below 2⁶³.

    >>> hex(torch_seeds(0, [0])[0])  # 6627e8d5 and e169c58d are the first words of an all-zero counter
    '0x6169c58d6627e8d5'
    """
    pairs = philox.words(seed, stream, trajectories, step, 2, first=2 * call).astype(np.uint64)
    return [int(low + (high << np.uint64(32))) % 2**63 for low, high in pairs]


def initial_weights(
    problem: FunctionalProblem, seed: int, trajectories: Sequence[int] | npt.NDArray[np.integer[Any]]
) -> tuple[Weights, State]:
    """Initial weights and buffers of several trajectories, stacked on axis 0."""
    drawn = [problem.draw_initial(torch_seed) for torch_seed in torch_seeds(seed, trajectories)]
    return (
        {name: torch.stack([weights[name] for weights, _ in drawn]) for name in drawn[0][0]},
        {name: torch.stack([buffers[name] for _, buffers in drawn]) for name in drawn[0][1]},
    )
