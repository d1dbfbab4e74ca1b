"""Perturb a live model and its optimizer, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thermograd.perturbations.checked import checked
from thermograd.perturbations.context import Moment, PerturbationContext
from thermograd.perturbations.description import check_use
from thermograd.perturbations.live_state import LiveState

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from thermograd.protocols import Context, State


def perturb(
    model: nn.Module,
    optimizer: Optimizer,
    perturbation: Any,
    *,
    seed: int,
    initialize: Callable[[], nn.Module] | None = None,
) -> None:
    """Apply a perturbation once to a model and its optimizer, in place.

    The same tensors get other values, so optimizers, compiled code and captured graphs go on undisturbed;
    gradients, mode flags and global random state are not touched. What the perturbation draws depends on `seed`
    alone. For repeated perturbations use `Perturber`, which also checks the law of fresh values.

    Args:
        model: the module being trained.
        optimizer: over its parameters.
        perturbation: an object with `apply(weights, state, context)`, or a function of that signature.
        seed: of all it draws, 0 to 2⁶⁴ − 1.
        initialize: a function that returns a newly initialised model; without it fresh values come from a copy
            of the model whose parts run `reset_parameters()`, which is another law for a model that is
            initialised in its constructor.

    Raises:
        ValueError: the model cannot be drawn again, the optimizer's state cannot be read, the perturbation
            returned something else than weights and state of the same names and shapes, or it needs what a
            single call cannot know (the best state so far, activations).

    >>> import torch
    >>> from thermograd.perturbations import ShrinkAndPerturb
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(model.weight, 2.0)
    >>> perturb(model, torch.optim.SGD(model.parameters()), ShrinkAndPerturb(shrink=0.5, perturb=0.0), seed=0)
    >>> model.weight.item()
    1.0
    """
    check_use(perturbation, seed)
    if getattr(perturbation, "needs_best", False):
        message = (
            f"{type(perturbation).__name__} goes back to the best state so far, which a single call cannot know; "
            "use tg.Perturber and give its step() the metric"
        )
        raise ValueError(message)
    live = LiveState(model, optimizer, initialize)
    apply_in_place(live, perturbation, {}, PerturbationContext(live, seed, 0, 0, Moment()))


def apply_in_place(live: LiveState, perturbation: Any, memory: State, context: Context) -> State:
    """Apply a perturbation to a live model.

    Args:
        live: model and optimizer.
        perturbation: an object with `apply`, or a function of the same signature.
        memory: what it kept from earlier calls, `memory/<key>`.
        context: what it may draw and see.

    Returns:
        What it keeps for the next call.

    Raises:
        ValueError: it returned something else than weights and state of the same names and shapes, or changed
            its inputs.
    """
    apply = getattr(perturbation, "apply", perturbation)
    weights, state = live.weights(), live.state() | memory
    versions = [value._version for value in (*weights.values(), *state.values())]
    given_weights, given_state = dict(weights), dict(state)
    new_weights, new_state = checked(apply(given_weights, given_state, context), weights, state)
    if versions != [value._version for value in (*weights.values(), *state.values())]:
        message = "the perturbation changed its inputs in place; it must return new tensors (value * 2, not value.mul_(2))"
        raise ValueError(message)
    live.write(new_weights, new_state, (weights, state))
    return {name: value for name, value in new_state.items() if name.startswith("memory/")}
