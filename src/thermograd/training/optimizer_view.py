"""What the fluctuation-dissipation relation needs to know of an optimizer, read off without touching it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from thermograd.errors import NotApplicableError
from thermograd.observables.plain_tensor import is_distributed, plain

if TYPE_CHECKING:
    from torch.optim import Optimizer

_MOST_DECAY = 0.5
_PRECONDITIONED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop)


@dataclass(frozen=True)
class Part:
    """Parameters that share a parameter group and a layer name, and are reported together."""

    group: int
    layer: str | None


class OptimizerView:
    """The parameters of an optimizer, their groups and layers, and the form of its update.

    Args:
        optimizer: any `torch.optim.Optimizer`, or a wrapper that has it as `.optimizer`.
        names: layer name of each parameter, or a model, or None.

    Raises:
        TypeError: it is no optimizer, or these are no names.
    """

    def __init__(self, optimizer: Any, names: Mapping[Tensor, str] | nn.Module | None = None) -> None:
        self.optimizer = unwrapped(optimizer)
        self._names, self._leaves = _layers(names), _leaves(names)
        self.refresh()

    def refresh(self) -> None:
        """Read the parameter groups and `rates`, their learning rates, anew."""
        owners = [
            (number, parameter)
            for number, group in enumerate(self.optimizer.param_groups)
            for parameter in group["params"]
            if parameter.requires_grad
        ]
        self.parameters = [parameter for _, parameter in owners]
        self.owner = [number for number, _ in owners]
        parts = [Part(number, self._names.get(id(parameter))) for number, parameter in owners]
        self.parts = list(dict.fromkeys(parts))
        self.part_of = [self.parts.index(part) for part in parts]
        self._trained = self._ids()
        plain_already = not any(
            parameter.is_complex() or is_distributed(parameter) for parameter in self.parameters
        )
        self._local = self.parameters if plain_already else None
        self._places: dict[int, list[int]] = {
            number: [] for number in range(len(self.optimizer.param_groups))
        }
        for place, number in enumerate(self.owner):
            self._places[number].append(place)
        self.read_rates()

    def read_rates(self) -> None:
        """Read `rates`; reads the device where one is a tensor there."""
        self._rate_marks = [_mark(group["lr"]) for group in self.optimizer.param_groups]
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]

    def forget_rates(self) -> None:
        """Take the rates for changed at the next look."""
        self._rate_marks = []

    def rates_changed(self) -> bool:
        """Whether a rate may have changed since it was read, or a group was added: a look at objects only."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self._rate_marks):
            return True
        for group, (rate, version) in zip(groups, self._rate_marks, strict=True):
            if group["lr"] is not rate or (version >= 0 and rate._version != version):
                return True
        return False

    @property
    def changed(self) -> bool:
        """Whether parameters were added, frozen or thawed since the last `refresh`."""
        return self._trained != self._ids()

    def _ids(self) -> list[tuple[int, int]]:
        return [
            (number, id(parameter))
            for number, group in enumerate(self.optimizer.param_groups)
            for parameter in group["params"]
            if parameter.requires_grad
        ]

    @property
    def named(self) -> bool:
        """Whether the names of layers are known."""
        return bool(self._names)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Number of the parameter group, and place in it, of every parameter that requires a gradient now."""
        return [
            (number, place)
            for number, group in enumerate(self.optimizer.param_groups)
            for place, parameter in enumerate(group["params"])
            if parameter.requires_grad
        ]

    def parameters_at(self, places: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """Parameters by layer and name, as "0.weight"; by their number where names are not known.

        Args:
            places: number of the parameter group, and place in it, of each.

        Raises:
            ValueError: there is no such parameter.
        """
        groups = self.optimizer.param_groups
        for number, place in places:
            if number >= len(groups) or place >= len(groups[number]["params"]):
                message = f"the optimizer has no parameter {place} in group {number}; this is of another one"
                raise ValueError(message)
        found: dict[str, Tensor] = {}
        for count, (number, place) in enumerate(places):
            parameter: Tensor = groups[number]["params"][place]
            layer, leaf = self._names.get(id(parameter)), self._leaves.get(id(parameter), str(count))
            found[leaf if layer is None else f"{layer}.{leaf}"] = parameter
        return found

    @property
    def name(self) -> str:
        """The optimizer's class, and whether it looks ahead: the relation of SGD does not hold then."""
        nesterov = any(group.get("nesterov") for group in self.optimizer.param_groups)
        return f"{type(self.optimizer).__name__}{' with nesterov' if nesterov else ''}"

    @property
    def local_parameters(self) -> list[Tensor]:
        """Every parameter as plain real tensor; of a sharded one, this rank's shard."""
        return self._local or [plain(parameter) for parameter in self.parameters]

    @property
    def sharded(self) -> bool:
        """Whether parameters are spread over ranks."""
        return any(is_distributed(parameter) for parameter in self.parameters)

    def hyperparameters(self) -> tuple[tuple[Any, ...], ...]:
        """Per group, everything the relation assumes constant; cheap to compare, without reading a device."""
        # rates by value: schedulers write a tensor anew without changing it
        return tuple(
            (rate, *(_key(group.get(name)) for name in ("momentum", "dampening", "betas", "weight_decay")))
            for rate, group in zip(self.rates, self.optimizer.param_groups, strict=False)
        )

    def memory(self, group: int) -> float:
        """β of the velocity: `momentum`, or the first of `betas`, else 0."""
        options = self.optimizer.param_groups[group]
        if "betas" in options:
            return float(options["betas"][0])
        return float(options.get("momentum", 0.0))

    def diffusion_factor(self, group: int) -> float:
        """κ = (1 + β)/(1 − β), by which a velocity with memory β diffuses faster than its steps alone."""
        beta = self.memory(group)
        return (1 + beta) / (1 - beta)

    def fluctuation_factor(self, group: int) -> float:
        """(1 + μ)/(2(1 − ν)) of FDR1'; of Adam the dampening ν is β₁ too."""
        options = self.optimizer.param_groups[group]
        memory = self.memory(group)
        dampening = memory if "betas" in options else float(options.get("dampening", 0.0))
        return (1 + memory) / (2 * (1 - dampening))

    def dampened_first_step(self) -> bool:
        """Whether the step to come fills a fresh momentum buffer, which torch does without dampening."""
        groups, state = self.optimizer.param_groups, self.optimizer.state
        return self.is_sgd and any(
            groups[number]["momentum"]
            and groups[number]["dampening"]
            and state.get(parameter, {}).get("momentum_buffer") is None
            for number, parameter in zip(self.owner, self.parameters, strict=True)
        )

    @property
    def is_sgd(self) -> bool:
        """Whether the update is SGD with (heavy-ball) momentum, as FDR1' assumes."""
        return isinstance(self.optimizer, torch.optim.SGD) and not any(
            group["nesterov"] for group in self.optimizer.param_groups
        )

    @property
    def is_preconditioned(self) -> bool:
        """Whether it is Adam, AdamW or RMSprop, for which O_R is defined in the preconditioner's metric."""
        return isinstance(self.optimizer, _PRECONDITIONED)

    @property
    def velocity_is_readable(self) -> bool:
        """Whether Δ can be read off the state.

        Not with sparse gradients, not where a fused step unscales gradients or leaves them out by itself, and not
        where weight decay takes away most of what a weight was.
        """
        scaled = (getattr(self.optimizer, name, None) for name in ("grad_scale", "found_inf"))
        return (
            self.is_sgd
            and all(flag is None for flag in scaled)
            and not any(p.grad is not None and p.grad.is_sparse for p in self.parameters)
            and not any(
                rate * float(group["weight_decay"]) > _MOST_DECAY
                for rate, group in zip(self.rates, self.optimizer.param_groups, strict=False)
            )
        )

    def velocities(self) -> list[Tensor | None]:
        """Per parameter a tensor of norm |Δ| / `velocity_scale` of the step of SGD just taken; None without gradient."""
        found: list[Tensor | None] = [None] * len(self.parameters)
        local = self.local_parameters
        for number, options in enumerate(self.optimizer.param_groups):
            places = [place for place in self._places[number] if self.parameters[place].grad is not None]
            if options["momentum"]:
                for place in places:
                    found[place] = self._plain(
                        self.optimizer.state[self.parameters[place]]["momentum_buffer"]
                    )
                continue
            gradients = [self._plain(self.parameters[place].grad) for place in places]
            if options["weight_decay"] and places:
                # θ is the one after the step here: g + λθ before it is (g + λθ)/(1 − ηλ)
                decay = -options["weight_decay"] if options["maximize"] else options["weight_decay"]
                gradients = [*torch._foreach_add(gradients, [local[place] for place in places], alpha=decay)]
            for place, gradient in zip(places, gradients, strict=True):
                found[place] = gradient
        return found

    def velocity_scale(self, group: int) -> float:
        """What norms of `velocities` are multiplied with to give |Δ|.

        Args:
            group: number of the parameter group.
        """
        options, rate = self.optimizer.param_groups[group], self.rates[group]
        return rate if options["momentum"] else rate / (1 - rate * float(options["weight_decay"]))

    def _plain(self, tensor: Any) -> Tensor:
        return tensor if self._local is not None and not tensor.is_sparse else plain(tensor)

    def momentum_velocities(self) -> list[Tensor | None]:
        """Velocity v = −momentum buffer of SGD per parameter; None where there is none."""
        found: list[Tensor | None] = []
        for parameter in self.parameters:
            buffer = self.optimizer.state.get(parameter, {}).get("momentum_buffer") if self.is_sgd else None
            found.append(None if buffer is None else -plain(buffer))
        return found

    def denominators(self) -> list[Tensor]:
        """√v + ε of a preconditioned optimizer per parameter, v the (bias-corrected) second moment.

        Returns:
            0-d zeros for parameters that have not been updated yet.

        Raises:
            NotApplicableError: another optimizer.
        """
        if not self.is_preconditioned:
            raise NotApplicableError(
                what=f"the preconditioner of {self.name}",
                why="is not known; those of Adam, AdamW and RMSprop are",
                instead="fluctuation_dissipation(form='displacement')",
            )
        return [
            _denominator(self.optimizer.state[parameter], self.optimizer.param_groups[number])
            if parameter in self.optimizer.state
            else plain(parameter).new_zeros(())
            for number, parameter in zip(self.owner, self.parameters, strict=True)
        ]

    def coupled_decay(self, group: int) -> float:
        """Weight decay that is part of the gradient, so of the loss that is descended."""
        decay = float(self.optimizer.param_groups[group].get("weight_decay", 0.0))
        return decay - self.decoupled_decay(group)

    def decoupled_decay(self, group: int) -> float:
        """Weight decay that is not part of the gradient (AdamW)."""
        options = self.optimizer.param_groups[group]
        decoupled = isinstance(self.optimizer, torch.optim.AdamW) or options.get(
            "decoupled_weight_decay", False
        )
        return float(options.get("weight_decay", 0.0)) if decoupled else 0.0


def unwrapped(optimizer: Any) -> Optimizer:
    """The torch optimizer inside a wrapper.

    Args:
        optimizer: an optimizer, or something that has one as `.optimizer`.

    Returns:
        The innermost one.

    Raises:
        TypeError: there is none.

    >>> unwrapped(torch.optim.SGD([torch.zeros(1)], lr=0.1)).__class__.__name__
    'SGD'
    """
    inner = optimizer
    while not isinstance(inner, torch.optim.Optimizer):
        inner = getattr(inner, "optimizer", None)
        if inner is None:
            message = f"watch() takes a torch.optim.Optimizer; got {type(optimizer).__name__}"
            raise TypeError(message)
    while isinstance(wrapped := getattr(inner, "optimizer", None), torch.optim.Optimizer):
        inner = wrapped
    return inner


def _denominator(state: Mapping[str, Tensor], options: Mapping[str, Any]) -> Tensor:
    if "square_avg" in state:
        second: Tensor = plain(state["square_avg"])
        if options.get("centered"):
            second = second - plain(state["grad_avg"]) ** 2
        return second.sqrt().add_(float(options["eps"]))
    second = plain(state["max_exp_avg_sq"] if options.get("amsgrad") else state["exp_avg_sq"])
    # 1 − β₂ᵗ as a tensor: the step may be on a device
    correction = -torch.expm1(state["step"] * math.log(float(options["betas"][1])))
    root: Tensor = (second / correction).sqrt_()
    return root.add_(float(options["eps"]))


def _layers(names: Mapping[Tensor, str] | nn.Module | None) -> dict[int, str]:
    if names is None:
        return {}
    if isinstance(names, nn.Module):
        return {
            id(parameter): full.rpartition(".")[0] or type(names).__name__
            for full, parameter in names.named_parameters()
        }
    if not isinstance(names, Mapping) or not all(isinstance(key, Tensor) for key in names):
        message = f"names is a model, or a dict of {{parameter: layer name}}; got {names!r:.80}"
        raise TypeError(message)
    return {id(parameter): name for parameter, name in names.items()}


def _leaves(names: Any) -> dict[int, str]:
    """What stands after the last dot of the name of each parameter of a model."""
    if not isinstance(names, nn.Module):
        return {}
    return {id(parameter): full.rpartition(".")[2] for full, parameter in names.named_parameters()}


def _mark(rate: Any) -> tuple[Any, int]:
    return rate, rate._version if isinstance(rate, Tensor) else -1


def _key(value: Any) -> Any:
    return (id(value), value._version) if isinstance(value, Tensor) else value
