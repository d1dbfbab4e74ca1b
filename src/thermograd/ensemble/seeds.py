"""Torch's own randomness, made a function of (seed, trajectory, step): initial weights, forward passes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.numerics.philox import FORWARD, torch_seeds

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import State, Weights


def initial_weights(
    problem: FunctionalProblem, seed: int, trajectories: Sequence[int] | npt.NDArray[np.integer[Any]]
) -> tuple[Weights, State]:
    """Initial weights and buffers of several trajectories, stacked on axis 0."""
    drawn = [problem.draw_initial(torch_seed) for torch_seed in torch_seeds(seed, trajectories)]
    return (
        {name: torch.stack([weights[name] for weights, _ in drawn]) for name in drawn[0][0]},
        {name: torch.stack([buffers[name] for _, buffers in drawn]) for name in drawn[0][1]},
    )


@contextmanager
def random_forward(seed: int, trajectory: int, step: int, draw: int) -> Generator[None]:
    """Randomness inside forward passes (dropout) of one trajectory at one step; global state as before afterwards.

    Args:
        seed: of the experiment.
        trajectory: its number.
        step: updates done.
        draw: 0 updates, 1 records, 2 epoch hooks, 3 hidden layers of a perturbation.

    Yields:
        Nothing.
    """
    with torch.random.fork_rng(devices=[]):
        torch_seed = torch_seeds(seed, [trajectory], stream=FORWARD + 256 * draw, step=step)[0]
        torch.default_generator.manual_seed(torch_seed)
        yield
