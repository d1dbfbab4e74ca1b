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

_PRESENT = "present/"


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

    What a perturbation adds under `memory/` belongs to the trajectories it was added for; `present/<key>`
    in the state remembers for which.

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
        ValueError: the perturbation returned something else than `(weights, state)` of the same shapes.
    """
    apply = getattr(perturbation, "apply", perturbation)
    offered = _hyperparameters(dynamics, len(block.trajectories), problem) | block.state
    weights = {name: value.clone() for name, value in block.weights.items()}
    state = {name: value.clone() for name, value in offered.items()}
    for row in rows:
        metric = float(block.metric[row])
        context = EnsembleContext(
            problem, seed, block.trajectories[row], block.step, None if math.isnan(metric) else metric
        )
        given = {name: value[row].clone() for name, value in block.weights.items()}
        given_state = {
            name: value[row].clone()
            for name, value in offered.items()
            if not name.startswith(_PRESENT) and _is_present(offered, name, row)
        }
        new_weights, new_state = _checked(apply(given, given_state, context), given, given_state)
        for name, value in new_weights.items():
            weights[name][row] = value
        for name, value in new_state.items():
            _keep(state, name, value, row, len(block.trajectories))
    return weights, {
        name: value
        for name, value in state.items()
        if name in block.state or name not in offered or not torch.equal(value, offered[name])
    }


def _hyperparameters(dynamics: Any, members: int, problem: FunctionalProblem) -> Tensors:
    """The numbers of the update rule, one per trajectory."""
    return {
        f"hyperparameters/{name}": torch.full((members,), value, dtype=problem.dtype, device=problem.device)
        for name, value in vars(dynamics).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _is_present(state: Tensors, name: str, row: int) -> bool:
    flags = state.get(_PRESENT + name)
    return flags is None or bool(flags[row])


def _keep(state: Tensors, name: str, value: Tensor, row: int, members: int) -> None:
    """Write one trajectory's entry, making room for a new one."""
    if name not in state:
        state[name] = value.new_zeros((members, *value.shape))
        state[_PRESENT + name] = torch.zeros(members, dtype=torch.bool, device=value.device)
    state[name][row] = value
    if _PRESENT + name in state:
        state[_PRESENT + name][row] = True


def _checked(result: Any, weights: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
    """What a perturbation returned: weights as given, everything in state that was there."""
    if not isinstance(result, tuple) or len(result) != 2:
        message = f"a perturbation returns (weights, state); got {type(result).__name__}"
        raise ValueError(message)
    new_weights, new_state = result
    got = {name: tuple(value.shape) for name, value in new_weights.items()}
    expected = {name: tuple(value.shape) for name, value in weights.items()}
    if got != expected:
        message = f"the perturbation returned weights {got}; expected {expected}"
        raise ValueError(message)
    lost = [name for name in state if name not in new_state and not name.startswith("memory/")]
    added = [name for name in new_state if name not in state and not name.startswith("memory/")]
    if lost or added:
        message = (
            f"the perturbation must return the state it was given, changed as it likes, and may add "
            f"memory/<key>; lost: {lost}, added: {added}"
        )
        raise ValueError(message)
    return new_weights, new_state
