"""Applying a perturbation to trajectories of a block, one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from thermograd.ensemble.best import best_of
from thermograd.ensemble.block import BlockState, Tensors
from thermograd.perturbations.checked import checked
from thermograd.perturbations.context import Moment, PerturbationContext

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import HiddenLayer

_PRESENT = "present/"


def perturbed(
    block: BlockState,
    rows: Sequence[int],
    perturbation: Any,
    problem: FunctionalProblem,
    dynamics: Any,
    seed: int,
    *,
    due: Collection[int] | None = None,
    hidden_layers: Callable[[int], tuple[HiddenLayer, ...]] | None = None,
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
        due: the rows whose kick is due; None = all.
        hidden_layers: makes the hidden layers of a row, for perturbations that look at activations.

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
        moment = Moment(
            None if math.isnan(metric) else metric,
            due is None or row in due,
            best_of(block, row, perturbation),
            None if hidden_layers is None else partial(hidden_layers, row),
        )
        context = PerturbationContext(problem, seed, block.trajectories[row], block.step, moment)
        given = {name: value[row].clone() for name, value in block.weights.items()}
        given_state = {
            name: value[row].clone()
            for name, value in offered.items()
            if not name.startswith(_PRESENT) and _is_present(offered, name, row)
        }
        new_weights, new_state = checked(apply(given, given_state, context), given, given_state)
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
