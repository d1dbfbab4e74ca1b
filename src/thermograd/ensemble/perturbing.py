"""Applying a perturbation to trajectories of a block, one at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from thermograd.ensemble.block import BlockState, Tensors
from thermograd.ensemble.seeds import torch_seeds
from thermograd.numerics import philox

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem


class EnsembleContext:
    """What a perturbation of trajectory k at step t may draw: a function of (seed, k, t) alone.

    Fresh weights come from words 2c, 2c + 1 of stream 3 (c-th call), other numbers from its draws 1, 2, ...

    Attributes:
        step: t.
        metric: last record of the first observable, None before the first.
    """

    def __init__(
        self, problem: FunctionalProblem, seed: int, trajectory: int, step: int, metric: float | None
    ) -> None:
        self.step = step
        self.metric = metric
        self._problem = problem
        self._seed, self._trajectory = seed, trajectory
        self._fresh_calls = 0
        self._draws = 0

    def fresh(self) -> tuple[Tensors, Tensors]:
        """Newly initialised `(weights, buffers)`."""
        torch_seed = torch_seeds(
            self._seed,
            [self._trajectory],
            stream=philox.PERTURBATION,
            step=self.step,
            call=self._fresh_calls,
        )[0]
        self._fresh_calls += 1
        return self._problem.draw_initial(torch_seed)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Uniform numbers in [0, 1)."""
        return self._drawn(philox.uniform, shape)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers."""
        return self._drawn(philox.normal, shape)

    def _drawn(self, law: Any, shape: Sequence[int]) -> Tensor:
        self._draws += 1
        count = math.prod(shape)
        numbers = law(self._seed, philox.PERTURBATION, [self._trajectory], self.step, count, draw=self._draws)
        flat = torch.from_numpy(np.ascontiguousarray(numbers[0]))
        return flat.reshape(tuple(shape)).to(self._problem.device, self._problem.dtype)


def perturbed(
    block: BlockState,
    rows: Sequence[int],
    perturbation: Any,
    problem: FunctionalProblem,
    dynamics: Any,
    seed: int,
) -> tuple[Tensors, Tensors]:
    """Weights and state of the block after perturbing some of its trajectories.

    Args:
        block: recorded, not yet updated.
        rows: positions of the trajectories to perturb.
        perturbation: an object with `apply`, or a function of the same signature.
        problem: where fresh weights come from.
        dynamics: its number-valued fields are offered as `hyperparameters/<name>`.
        seed: of the experiment.

    Returns:
        Stacked weights and state of the whole block.

    Raises:
        ValueError: the perturbation returned other weights than it was given.
    """
    apply = getattr(perturbation, "apply", perturbation)
    weights = {name: value.clone() for name, value in block.weights.items()}
    offered = block.state | {
        f"hyperparameters/{name}": block.state.get(
            f"hyperparameters/{name}",
            torch.full((len(block.trajectories),), value, dtype=problem.dtype, device=problem.device),
        )
        for name, value in vars(dynamics).items()
        if isinstance(value, float)
    }
    state = {name: value.clone() for name, value in offered.items()}
    for row in rows:
        metric = float(block.metric[row])
        context = EnsembleContext(
            problem, seed, block.trajectories[row], block.step, None if math.isnan(metric) else metric
        )
        given = {name: value[row].clone() for name, value in block.weights.items()}
        given_state = {name: value[row].clone() for name, value in offered.items()}
        new_weights, new_state = apply(given, given_state, context)
        _check_same(new_weights, given)
        for name, value in new_weights.items():
            weights[name][row] = value
        for name, value in new_state.items():
            if name not in state:
                shape = (len(block.trajectories), *value.shape)
                state[name] = torch.zeros(shape, dtype=value.dtype, device=value.device)
            state[name][row] = value
    unchanged = {
        name
        for name, value in state.items()
        if name.startswith("hyperparameters/")
        and name not in block.state
        and torch.equal(value, offered[name])
    }
    return weights, {name: value for name, value in state.items() if name not in unchanged}


def _check_same(new: Tensors, given: Tensors) -> None:
    got = {name: tuple(value.shape) for name, value in new.items()}
    expected = {name: tuple(value.shape) for name, value in given.items()}
    if got != expected:
        message = f"the perturbation returned weights {got}; expected {expected}"
        raise ValueError(message)
