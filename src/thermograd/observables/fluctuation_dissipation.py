"""Dissipation and fluctuation of an SGD step (Yaida, arXiv 1810.00004), on a live optimizer.

In an ensemble the accumulator `DissipationAndFluctuation` sums them inside the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.optim import Optimizer

from thermograd.errors import NotApplicableError
from thermograd.numerics.argument_kind import check_has
from thermograd.observables.dissipation_and_fluctuation import DissipationAndFluctuation
from thermograd.observables.plain_tensor import wide

__all__ = ["CapturedStep", "DissipationAndFluctuation", "capture", "dissipation_and_fluctuation"]

Reference = Sequence[Tensor] | Mapping[Tensor, Tensor] | None

_CAPTURED: WeakKeyDictionary[Optimizer, CapturedStep] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class CapturedStep:
    """What an optimizer is about to change: the positions, and the hyperparameters of each group.

    Attributes:
        positions: copy of every trainable parameter, by parameter.
        had_gradient: the parameters that had a gradient.
        groups: parameters and hyperparameters of each group.

    >>> weight = torch.nn.Parameter(torch.tensor([2.0]))
    >>> optimizer = torch.optim.SGD([weight], lr=0.25)
    >>> weight.square().sum().backward()  # the gradient is 4
    >>> before = capture(optimizer)
    >>> optimizer.step()
    >>> [side.item() for side in before.dissipation_and_fluctuation()]  # 2 · 4, and 0.25 · 4²/2
    [8.0, 2.0]
    >>> [side.item() for side in before.dissipation_and_fluctuation([torch.ones(1)])]  # (2 − 1) · 4
    [4.0, 2.0]
    """

    positions: Mapping[Tensor, Tensor]
    had_gradient: frozenset[Tensor]
    groups: tuple[_Group, ...]

    def dissipation_and_fluctuation(self, reference: Reference = None) -> tuple[Tensor, Tensor]:
        """O_L and O_R of the step taken since; see the function of this name. Any number of references.

        Raises:
            ValueError: the gradients of the step are gone, or references that do not fit.
        """
        centre = _centre_of(reference, tuple(self.positions))
        moved = [p for p in self.positions if p.grad is not None]
        if not moved or any(p.grad is None for p in self.had_gradient):
            message = (
                "the gradients of the step are gone; call dissipation_and_fluctuation(optimizer) right after "
                "optimizer.step(), before zero_grad()"
            )
            raise ValueError(message)
        dissipation = torch.zeros((), dtype=wide(moved[0]), device=moved[0].device)
        fluctuation = dissipation.clone()
        for group in self.groups:
            for parameter in group.parameters:
                if parameter.grad is None or not group.learning_rate:
                    continue
                before = self.positions[parameter].to(wide(parameter))
                from_centre = before - centre[parameter].to(before) if parameter in centre else before
                square = (parameter.detach() - before).square().sum()
                dissipation += (from_centre * group.consumed(parameter.grad, before)).sum().to(dissipation)
                fluctuation += (group.factor * square).to(fluctuation)
        return dissipation, fluctuation


@dataclass(frozen=True)
class _Group:
    parameters: tuple[Tensor, ...]
    learning_rate: float
    momentum: float
    dampening: float
    weight_decay: float
    maximize: bool

    @property
    def factor(self) -> float:
        """What makes O_R of |Δ|²."""
        return (1 + self.momentum) / (2 * (1 - self.dampening) * self.learning_rate)

    def consumed(self, gradient: Tensor, position: Tensor) -> Tensor:
        """The gradient the update rule uses."""
        own = gradient.detach().to(position)
        return (-own if self.maximize else own) + self.weight_decay * position


def capture(optimizer: Optimizer) -> CapturedStep:
    """Keep what an optimizer is about to change; call it right before `optimizer.step()`.

    Neither parameters, gradients, the optimizer nor the random state are touched; nothing is kept on the
    optimizer. Costs one copy of the parameters.

    Args:
        optimizer: a `torch.optim.SGD`.

    Returns:
        The copy; `dissipation_and_fluctuation(optimizer)` finds it by itself, once.

    Raises:
        NotApplicableError: another optimizer, or Nesterov momentum, or a dampening of 1.

    >>> weight = torch.nn.Parameter(torch.tensor([2.0]))
    >>> optimizer = torch.optim.SGD([weight], lr=0.25)
    >>> weight.square().sum().backward()
    >>> _ = capture(optimizer)
    >>> optimizer.step()
    >>> [side.item() for side in dissipation_and_fluctuation(optimizer)]
    [8.0, 2.0]
    """
    _check(optimizer)
    groups = tuple(
        _Group(
            parameters=tuple(p for p in group["params"] if p.requires_grad),
            learning_rate=float(group["lr"]),
            momentum=float(group["momentum"]),
            dampening=float(group["dampening"]) if group["momentum"] else 0.0,
            weight_decay=float(group["weight_decay"]),
            maximize=bool(group["maximize"]),
        )
        for group in optimizer.param_groups
    )
    parameters = [parameter for group in groups for parameter in group.parameters]
    captured = CapturedStep(
        positions={parameter: parameter.detach().clone() for parameter in parameters},
        had_gradient=frozenset(parameter for parameter in parameters if parameter.grad is not None),
        groups=groups,
    )
    _CAPTURED[optimizer] = captured
    return captured


def dissipation_and_fluctuation(optimizer: Optimizer, reference: Reference = None) -> tuple[Tensor, Tensor]:
    """O_L and O_R of the SGD step just taken, whose means agree in a stationary state (FDR1, FDR1').

    O_L = (θ_t − c)·g_t and O_R = (1 + μ)/(2(1 − ν)) |Δ_t|²/η, with g the gradient that the optimizer consumes
    (clipped, unscaled, weight decay included), Δ_t = θ_{t+1} − θ_t, momentum μ, dampening ν. For plain SGD
    O_R = η|g|²/2. Of several parameter groups, each with rates of its own, both are the sums. Over n steps at
    constant η, with A = |θ − c|² and B = (θ − c)·v, v = −momentum buffer,

        Σ O_L − Σ O_R = −[(1 − μ)(A_n − A_0)/(2η) + μ(B_n − B_0)]/(1 − ν)

    for any loss, noise and order of batches. The first step of a fresh buffer is not dampened by PyTorch, so
    with ν ≠ 0 it is to be left out. Groups with learning rate 0 and parameters without gradient do not count.

    Args:
        optimizer: the one that `capture(optimizer)` was called on before the step.
        reference: c, one tensor per trainable parameter in the optimizer's order, or by parameter (those not
            named: 0); None = the origin, as in the paper.

    Returns:
        Two 0-d tensors in units of loss, float64 where the device has it.

    Raises:
        NotApplicableError: the gradient is sparse.
        ValueError: nothing was captured since the last call, the gradients are gone, or the reference does not
            fit.

    >>> weight = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> weight.square().sum().backward()  # g = 6
    >>> _ = capture(optimizer)
    >>> optimizer.step()
    >>> [round(float(value), 12) for value in dissipation_and_fluctuation(optimizer)]
    [18.0, 1.8]
    """
    captured = _CAPTURED.pop(optimizer, None) if isinstance(optimizer, Optimizer) else None
    if captured is None:
        message = (
            "nothing was captured since the last call; call capture(optimizer) before each optimizer.step()"
        )
        raise ValueError(message)
    return captured.dissipation_and_fluctuation(reference)


def _check(optimizer: Any) -> None:
    what = f"The dissipation of {type(optimizer).__name__}"
    instead = "thermograd.watch(optimizer).fluctuation_dissipation(), which needs the displacements only"
    if type(optimizer) is not torch.optim.SGD:  # a subclass may step otherwise
        why = (
            "is not defined: (theta - c).g and |displacement|^2/lr belong together for torch.optim.SGD alone"
        )
        raise NotApplicableError(what=what, why=why, instead=instead)
    for group in optimizer.param_groups:
        if group["nesterov"]:
            why = "with nesterov=True is not defined: its displacement is not the momentum buffer"
            raise NotApplicableError(what=what, why=why, instead=instead)
        if group["momentum"] and group["dampening"] == 1:
            why = "with dampening=1 is not defined: such steps consume no gradient"
            raise NotApplicableError(what=what, why=why, instead=instead)
        if any(p.grad is not None and p.grad.is_sparse for p in group["params"]):
            why = "with sparse gradients is not defined here"
            raise NotApplicableError(what=what, why=why, instead=instead)


def _centre_of(reference: Reference, parameters: tuple[Tensor, ...]) -> dict[Tensor, Tensor]:
    if reference is None:
        return {}
    if isinstance(reference, Mapping):
        centre = dict(reference)
        unknown = [key for key in centre if all(key is not parameter for parameter in parameters)]
        if unknown:
            message = f"reference names {len(unknown)} tensor(s) that the optimizer does not train"
            raise ValueError(message)
    else:
        given: object = reference
        if not isinstance(given, Sequence):
            message = f"reference is a {type(reference).__name__}; give one tensor per trainable parameter, or a dict from parameter to tensor"
            raise ValueError(message)
        if len(reference) != len(parameters):
            message = f"reference has {len(reference)} tensors; the optimizer trains {len(parameters)}"
            raise ValueError(message)
        centre = dict(zip(parameters, reference, strict=True))
    for parameter, value in centre.items():
        check_has("an entry of reference", value, "detach", "a tensor for each parameter")
        if value.shape != parameter.shape:
            message = (
                f"reference is {tuple(value.shape)} for a parameter of shape {tuple(parameter.shape)}; give "
                "one tensor of the same shape per trainable parameter"
            )
            raise ValueError(message)
    return {parameter: value.detach() for parameter, value in centre.items()}
