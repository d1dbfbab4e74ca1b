"""A fixed preconditioner: by how much further each weight moves in a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.numerics.argument_kind import check_has


def frozen_preconditioner(given: Any, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """P in θ ← θ − ηP∇U + √(2ηTP) z, scaled to a geometric mean of 1, name to tensor.

    It is read once. One that followed the chain would change the distribution that is sampled, unless a term
    ∂P/∂θ was added (Girolami and Calderhead 2011), which the preconditioned SGLD of Li et al. (arXiv 1512.07666) leaves out.

    Args:
        given: positive tensors by name, shaped like the weights; or a torch optimizer of Adam's family after some steps,
            of which P = 1/(√v̂ + ε) is taken, v̂ its mean square gradient.
        shapes: of the weights by name, in the order in which the optimizer holds them.

    Raises:
        ValueError: other names or shapes, numbers that are not positive, or an optimizer without mean squares.

    >>> frozen_preconditioner({"w": torch.tensor([1.0, 4.0])}, {"w": (2,)})
    {'w': tensor([0.5000, 2.0000], dtype=torch.float64)}
    """
    tensors = given if isinstance(given, Mapping) else _of_optimizer(given, shapes)
    for name, value in tensors.items():
        check_has(f"preconditioner {name!r}", value, "detach", "a tensor for each name")
    got = {name: tuple(value.shape) for name, value in tensors.items()}
    expected = {name: tuple(shape) for name, shape in shapes.items()}
    if got != expected:
        message = f"the preconditioner has names and shapes {got}; the weights have {expected}"
        raise ValueError(message)
    found = {name: tensors[name].detach().to(torch.float64) for name in shapes}
    for name, value in found.items():
        if not bool((value > 0).all() and value.isfinite().all()):
            message = f"preconditioner {name!r} holds numbers that are not positive and finite (smallest {float(value.min()):g})"
            raise ValueError(message)
    logs = torch.cat([value.log().reshape(-1) for value in found.values()])
    mean = logs.mean().exp()
    return {name: value / mean for name, value in found.items()}


def _of_optimizer(optimizer: Any, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """1/(√v̂ + ε) of each parameter, in the order in which the optimizer holds them."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        message = (
            f"preconditioner is a {type(optimizer).__name__}; give positive tensors by name, or a torch optimizer of Adam's "
            "family"
        )
        raise ValueError(message)
    held = [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]
    if len(held) != len(shapes):
        message = f"the optimizer holds {len(held)} parameters; there are {len(shapes)} weights"
        raise ValueError(message)
    found = {}
    for name, (group, parameter) in zip(shapes, held, strict=True):
        state = optimizer.state.get(parameter, {})
        if "exp_avg_sq" not in state or "betas" not in group:
            message = (
                f"the optimizer ({type(optimizer).__name__}) has no mean square gradient of {name!r}: it is not of Adam's "
                "family, or has not made a step"
            )
            raise ValueError(message)
        corrected = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
        found[name] = 1 / (corrected.sqrt() + group["eps"])
    return found
