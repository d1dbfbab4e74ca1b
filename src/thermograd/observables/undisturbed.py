"""Forward passes of a live model that leave no trace: buffers, random states, hooks of parameters."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def undisturbed(
    module: nn.Module | None, devices: Iterable[torch.device], seed: int
) -> Generator[Callable[[], None]]:
    """Where differentiable forward passes may be made; all is as before afterwards.

    Gives a function to call before each of them: it seeds the generators, so that dropout is the same function at every pass,
    and has the module work on new copies of its buffers. Afterwards the original objects are put back: values copied
    back in place would break the graph that saved them. Attention uses the kernel that has second derivatives.

    Args:
        module: whose buffers are spared, or None.
        devices: of its parameters.
        seed: of the generators.
    """
    gpus = sorted({device.index for device in devices if device.type == "cuda" and device.index is not None})
    originals = [
        (layer._buffers, name, value)
        for layer in (() if module is None else module.modules())
        for name, value in layer._buffers.items()
        if value is not None
    ]

    def fresh() -> None:
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(seed)
        copies = {id(value): value.clone() for _, _, value in originals}
        for held, name, value in originals:
            held[name] = copies[id(value)]

    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=gpus),
        sdpa_kernel(SDPBackend.MATH),
    ):
        try:
            yield fresh
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
