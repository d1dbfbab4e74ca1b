"""A live model and its optimizer as plain tensors by name, and back: what a perturbation reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from thermograd.numerics.argument_kind import value_in_words
from thermograd.problems.redraw import drawn_with_seed

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from thermograd.protocols import State, Weights

_NAMES = {"lr": "learning_rate", "eps": "epsilon"}
_NOT_FROM_ZERO = ("mu_product", "step_size", "eta", "mu", "ax")
_NOT_CLEARED = (torch.optim.NAdam, torch.optim.Rprop, torch.optim.ASGD, torch.optim.LBFGS)
_STARTED = "momentum_started"


class LiveState:
    """Weights and state of a model and its optimizer, by the names of `thermograd.protocols.Perturbation`.

    Reading gives the very tensors, detached; writing copies values into them, so that optimizers, captured
    graphs and compiled code go on with the same storage. A module wrapped by `torch.compile` or
    `DistributedDataParallel` goes by the names of what it wraps.

    Args:
        model: the module.
        optimizer: over (some of) its parameters.
        initialize: a function that returns a newly initialised model; without it a copy of the model is drawn
            anew by `reset_parameters`.

    Raises:
        ValueError: the optimizer holds parameters that are none of the model's, or a state that does not begin
            at zero and so could not be cleared.
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, initialize: Callable[[], nn.Module] | None = None
    ) -> None:
        _check_kinds(model, optimizer)
        self.model = _bare(model)
        self.optimizer = optimizer
        self._initialize = initialize
        self._parameters = {
            name: value for name, value in self.model.named_parameters() if value.requires_grad
        }
        if not self._parameters:
            message = "the model has no trainable parameters; set requires_grad on those to be trained"
            raise ValueError(message)
        known = {id(value) for value in self.model.parameters()}
        foreign = [p for group in optimizer.param_groups for p in group["params"] if id(p) not in known]
        if foreign:
            message = (
                f"the optimizer holds {len(foreign)} parameter(s) that are not the model's (the first of shape "
                f"{tuple(foreign[0].shape)}); pass the model and the optimizer that trains it"
            )
            raise ValueError(message)

    @property
    def has_initialize(self) -> bool:
        """Whether fresh values come from a function of the user."""
        return self._initialize is not None

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the first trainable parameter."""
        return next(iter(self._parameters.values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the first trainable parameter is."""
        return next(iter(self._parameters.values())).device

    def weights(self) -> Weights:
        """The trainable parameters by name, detached."""
        return {name: value.detach() for name, value in self._parameters.items()}

    def state(self) -> State:
        """Buffers, optimizer state and hyperparameters by name."""
        found = {f"buffers/{name}": value for name, value in self.model.named_buffers()}
        for key, place, value in self._entries():
            found[f"optimizer/{key}"] = torch.as_tensor(value if place is None else place, device=self.device)
        return found | self.hyperparameters()

    def hyperparameters(self) -> State:
        """Numbers that all parameter groups have in common, as 0-d float64 tensors."""
        groups = [dict(_numbers(group)) for group in self.optimizer.param_groups]
        common = {
            name: value for name, value in groups[0].items() if all(g.get(name) == value for g in groups[1:])
        }
        return {
            f"hyperparameters/{name}": torch.tensor(value, dtype=torch.float64, device=self.device)
            for name, value in common.items()
        }

    def draw_initial(self, torch_seed: int) -> tuple[Weights, State]:
        """Newly initialised weights and buffers, in the dtype and on the device of the model's.

        Raises:
            ValueError: the model cannot be drawn again, or `initialize` returns another one.
        """
        return self.initial_of(
            drawn_with_seed(torch_seed, self._initialize or self.model, keep_buffers=False)
        )

    def initial_of(self, module: nn.Module) -> tuple[Weights, State]:
        """Weights and buffers of another model of the same form, in the dtype and on the device of this one.

        Raises:
            ValueError: it is of another form.
        """
        new = _bare(module)
        drawn = {name: value.detach() for name, value in new.named_parameters()}
        buffers = dict(new.named_buffers())
        for name, old in self._parameters.items():
            if name not in drawn or drawn[name].shape != old.shape:
                got = tuple(drawn[name].shape) if name in drawn else "no such parameter"
                message = f"initialize= gives another model: {name!r} is {tuple(old.shape)} here, {got} there"
                raise ValueError(message)
        return (
            {name: drawn[name].to(old) for name, old in self._parameters.items()},
            {name: buffers[name].to(old) for name, old in self.model.named_buffers() if name in buffers},
        )

    def write(self, weights: Weights, state: State, before: tuple[Weights, State]) -> None:
        """Copy what a perturbation returned into the model and the optimizer.

        Args:
            weights: parameters by name.
            state: what `state` gave, changed; `memory/` is not looked at.
            before: what it was given; entries that are the same tensors are left alone.
        """
        old_weights, old = before
        buffers = dict(self.model.named_buffers())
        storages = {value.untyped_storage().data_ptr() for value in (*old_weights.values(), *old.values())}

        def apart(value: Tensor) -> Tensor:
            """A copy of what lies in a tensor about to be written: weights may have been exchanged."""
            return value.clone() if value.untyped_storage().data_ptr() in storages else value

        moved = {name: apart(value) for name, value in weights.items() if value is not old_weights[name]}
        changed = {
            name: apart(value)
            for name, value in state.items()
            if name in old and value is not old[name] and not name.startswith("memory/")
        }
        with torch.no_grad():
            for name, value in moved.items():
                self._parameters[name].copy_(value)
            for name in changed.keys() & {f"buffers/{buffer}" for buffer in buffers}:
                buffers[name.removeprefix("buffers/")].copy_(changed[name])
            for key, place, _ in list(self._entries()):
                if f"optimizer/{key}" in changed:
                    self._write_entry(key, place, changed[f"optimizer/{key}"])
        self.set_hyperparameters(
            {name: value for name, value in changed.items() if name.startswith("hyperparameters/")}
        )

    def set_hyperparameters(self, changed: State) -> None:
        """Set numbers in every parameter group, in place where a group holds a tensor."""
        for name, value in changed.items():
            ours = name.removeprefix("hyperparameters/")
            for group in self.optimizer.param_groups:
                _set_number(group, ours, float(value))

    def _entries(self) -> Iterator[tuple[str, Tensor | None, float]]:
        """Key, tensor in the optimizer (None for a plain number) and number, of all its state."""
        for name, parameter in self._parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                if key in _NOT_FROM_ZERO or (key == "sum" and self._accumulator(parameter)):
                    self._refuse(key, "does not begin at zero")
                if isinstance(value, Tensor):
                    yield f"{key}/{name}", value.detach(), 0.0
                elif isinstance(value, int | float):
                    yield f"{key}/{name}", None, float(value)
                elif value is not None:
                    self._refuse(key, f"is a {type(value).__name__}")
                if key == "momentum_buffer" and self._group(parameter).get("dampening"):
                    yield f"{_STARTED}/{name}", None, float(value is not None)

    def _write_entry(self, key: str, place: Tensor | None, value: Tensor) -> None:
        if place is not None:
            place.copy_(value)
            return
        buffer, _, name = key.partition("/")
        own = self.optimizer.state[self._parameters[name]]
        if buffer != _STARTED:
            own[buffer] = type(own[buffer])(value)
        elif not float(value):
            own["momentum_buffer"] = None  # as before its first gradient, which dampening does not damp

    def _group(self, parameter: Tensor) -> dict[str, Any]:
        return next(
            group
            for group in self.optimizer.param_groups
            if any(member is parameter for member in group["params"])
        )

    def _accumulator(self, parameter: Tensor) -> float:
        return float(self._group(parameter).get("initial_accumulator_value", 0.0))

    def _refuse(self, key: str, why: str) -> None:
        message = (
            f"the state {key!r} of {type(self.optimizer).__name__} {why}, so it cannot be cleared by making it "
            "zero; use an optimizer such as SGD, Adam, AdamW or RMSprop"
        )
        raise ValueError(message)


def _check_kinds(model: Any, optimizer: Any) -> None:
    if not isinstance(model, nn.Module):
        message = f"model is {value_in_words(model)}; give the torch.nn.Module that is trained"
        raise ValueError(message)
    if not (hasattr(optimizer, "param_groups") and hasattr(optimizer, "state")):
        message = (
            f"optimizer is {value_in_words(optimizer)}; give the torch.optim.Optimizer that trains the model"
        )
        raise ValueError(message)
    if isinstance(optimizer, _NOT_CLEARED):
        message = (
            f"{type(optimizer).__name__} keeps a state that does not begin at zero, so it cannot be cleared by "
            "making it zero; use an optimizer such as SGD, Adam, AdamW or RMSprop"
        )
        raise ValueError(message)


def _numbers(group: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a parameter group by our names."""
    for key, value in group.items():
        if key == "betas":
            yield from (("beta1", float(value[0])), ("beta2", float(value[1])))
        elif isinstance(value, Tensor) and value.ndim == 0:
            yield _NAMES.get(key, key), float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield _NAMES.get(key, key), float(value)


def _set_number(group: dict[str, Any], name: str, value: float) -> None:
    if name in {"beta1", "beta2"}:
        first, second = group["betas"]
        group["betas"] = (value, second) if name == "beta1" else (first, value)
        return
    theirs = next((key for key, ours in _NAMES.items() if ours == name), name)
    if isinstance(group[theirs], Tensor):
        group[theirs].fill_(value)
    else:
        group[theirs] = type(group[theirs])(value) if isinstance(group[theirs], float) else value


def _bare(model: nn.Module) -> nn.Module:
    """The module inside `torch.compile` or `DistributedDataParallel`."""
    inner = getattr(model, "_orig_mod", model)
    if isinstance(inner, nn.parallel.DistributedDataParallel):
        inner = inner.module
    return inner
