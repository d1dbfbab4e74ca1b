"""A module drawn anew: the same architecture with other initial parameters, by a seed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import nn

_FACTORY = (
    "pass a factory, a function that returns a new model: model=lambda: MyNet() (initialize= of a perturber)"
)


def drawn_with_seed(
    torch_seed: int, model: nn.Module | Callable[[], nn.Module], *, keep_buffers: bool = True
) -> nn.Module:
    """A module with newly drawn parameters: in float32 on the CPU, so that they depend on the seed alone.

    A factory is called. A module is copied, and each of its parts runs `reset_parameters()`; frozen
    parameters keep their values. A module that was initialised in its constructor, beyond what its parts do,
    gets another law this way. Global random state is left as it was.

    Args:
        torch_seed: seed of torch's generator.
        model: a module, or a function that returns a new one.
        keep_buffers: of a module, whether its buffers keep their values; else those of parts that reset
            theirs (batch normalisation) start anew.

    Returns:
        The new module.

    Raises:
        ValueError: a part has parameters but no `reset_parameters`, the module cannot be copied, or the
            factory returned no module, or is a class that needs arguments.
        TypeError: of the factory itself.

    >>> same = [drawn_with_seed(7, model).weight for model in (lambda: nn.Linear(2, 1), nn.Linear(2, 1))]
    >>> torch.equal(*same)
    True
    """
    with seeded(torch_seed):
        if isinstance(model, nn.Module):
            return _reset_copy(model, keep_buffers=keep_buffers)
        try:
            module: object = model()
        except TypeError as failure:
            if not isinstance(model, type):
                raise
            message = f"model is the class {model.__name__}, which needs arguments ({failure}); {_FACTORY}"
            raise ValueError(message) from failure
    if not isinstance(module, nn.Module):
        message = f"the model factory returned {type(module).__name__}; it must return a torch.nn.Module"
        raise ValueError(message)
    return module


def _reset_copy(model: nn.Module, *, keep_buffers: bool) -> nn.Module:
    try:
        copied = copy.deepcopy(model)
    except (RuntimeError, TypeError) as failure:
        message = f"{type(model).__name__} cannot be copied ({failure}); {_FACTORY}"
        raise ValueError(message) from failure
    for name, part in copied.named_modules():
        own = list(part.parameters(recurse=False))
        reset = getattr(part, "reset_parameters", None)
        for parameter in own:
            parameter.data = parameter.data.to("cpu", torch.float32)
        if callable(reset):
            reset()
        elif own:
            where = f"module {name!r} ({type(part).__name__})" if name else type(part).__name__
            message = (
                f"{where} has parameters but no reset_parameters, so it cannot be drawn again; {_FACTORY}"
            )
            raise ValueError(message)
    _keep_constants(model, copied, buffers=keep_buffers)
    return copied


@contextmanager
def seeded(torch_seed: int) -> Generator[None]:
    """Forked, seeded generators and float32 as default dtype; all as before afterwards.

    Generators of GPUs are forked too where CUDA is in use, for modules that are made there.
    """
    in_use = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # of torch
    devices = list(range(torch.cuda.device_count())) if in_use else []
    with torch.random.fork_rng(devices=devices), default_float32():
        torch.default_generator.manual_seed(torch_seed)
        if devices:
            torch.cuda.manual_seed_all(torch_seed)
        yield


@contextmanager
def default_float32() -> Generator[None]:
    """Float32 as default dtype, so that the same numbers are drawn whatever the run's dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _keep_constants(given: nn.Module, drawn: nn.Module, *, buffers: bool) -> None:
    """Frozen parameters, and buffers if asked for, are as in the module that was given."""
    with torch.no_grad():
        for name, parameter in given.named_parameters():
            if not parameter.requires_grad:
                drawn.get_parameter(name).copy_(parameter)
        for name, buffer in given.named_buffers() if buffers else ():
            drawn.get_buffer(name).copy_(buffer)
