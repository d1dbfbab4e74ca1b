"""A forward pass of a live model that leaves no trace: buffers, random states, hooks of parameters."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def undisturbed(module: nn.Module | None, devices: Iterable[torch.device], seed: int) -> Generator[None]:
    """Where a differentiable forward pass may be made, with seeded generators; all is as before afterwards.

    The module works on copies of its buffers, and the original objects are put back: values copied back in place would break
    the graph that saved them. Attention uses the kernel that has second derivatives.

    Args:
        module: whose buffers are spared, or None.
        devices: of its parameters.
        seed: of the generators, so that dropout is the same function at every pass.
    """
    gpus = sorted({device.index for device in devices if device.type == "cuda" and device.index is not None})
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=gpus),
        copied_buffers(module),
        sdpa_kernel(SDPBackend.MATH),
    ):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(seed)
        yield


@contextmanager
def copied_buffers(module: nn.Module | None) -> Generator[None]:
    """A module whose buffers are copies for as long as it lasts.

    Args:
        module: or None.
    """
    layers = () if module is None else tuple(module.modules())
    originals = [
        (layer._buffers, name, value)
        for layer in layers
        for name, value in layer._buffers.items()
        if value is not None
    ]
    copies = {id(value): value.clone() for _, _, value in originals}
    try:
        for held, name, value in originals:
            held[name] = copies[id(value)]
        yield
    finally:
        for held, name, value in originals:
            held[name] = value


@contextmanager
def without_hooks(parameters: Iterable[Tensor]) -> Generator[None]:
    """Derivatives by parameters as they are, whatever hooks make of gradients on the way to an optimizer.

    Args:
        parameters: leaves.
    """
    hooked = [(value, value._backward_hooks) for value in parameters if value._backward_hooks]
    try:
        for value, _ in hooked:
            value._backward_hooks = None
        yield
    finally:
        for value, hooks in hooked:
            value._backward_hooks = hooks
