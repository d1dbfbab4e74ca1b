"""Gradient noise of a loss at given weights, from the two halves of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.estimators.gradient_noise import GradientNoise, gradient_noise_scale, micro_batch_moments
from thermograd.numerics.argument_kind import check_has

Parameters = Mapping[str, Tensor] | Iterable[Tensor]


def gradient_noise(loss_fn: Callable[[Any, Any], Tensor], params: Parameters, batch: Any) -> GradientNoise:
    """Trace of the gradient covariance and squared gradient, from the gradients g_a, g_b of two halves.

    S = |g_a − g_b|² / (1/b_a + 1/b_b), that is (b/2)|g_a − g_b|² for halves of b samples, and |∇f|² = g_a·g_b for
    equal halves; the samples of the batch must be in random order. Averaged over all halves of a finite set, S
    is exactly the per-sample trace with divisor M − 1. `p.grad` and the random state are left as they are; a
    module in training mode updates its buffers as in any forward pass.

    One batch is one piece, without an error. Average several (never their ratios):
    `gradient_noise_scale([n.trace.value for n in noises], [n.squared_gradient.value for n in noises])` of
    `thermograd.estimators.gradient_noise`.

    Args:
        loss_fn: `(params, half) -> scalar`, the mean loss over the samples of a half; for a live module it may
            ignore `params`. A regulariser may be included.
        params: tensors by name, or a sequence of tensors such as `model.parameters()`. Those that do not
            require a gradient are left out; if none does, copies that do are passed to `loss_fn`.
        batch: a tensor with the samples on axis 0, or a tuple, list or dict of such; halves have its form.

    Returns:
        Trace and squared gradient, in units of |g|², and their ratio.

    Raises:
        ValueError: fewer than two samples, tensors of unequal length, no parameters, or a loss that is no finite scalar of
            them.

    >>> x = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    >>> noise = gradient_noise(lambda w, x: (w["a"] * x).mean(), {"a": torch.zeros(1, dtype=torch.float64)}, x)
    >>> noise.trace.value, noise.squared_gradient.value, round(noise.noise_scale.value, 12)
    (2.0, 3.0, 0.666666666667)
    """
    check_has("params", params, "__iter__", "tensors by name, or a sequence of tensors")
    check_has("loss_fn", loss_fn, "__call__", "a function (params, half) -> the mean loss over a half")
    given: dict[Any, Tensor] = dict(params) if isinstance(params, Mapping) else dict(enumerate(params))
    _check_parameters(given)
    if not any(value.requires_grad for value in given.values()):
        given = {name: value.detach().clone().requires_grad_() for name, value in given.items()}
    passed = given if isinstance(params, Mapping) else list(given.values())
    leaves = [value for value in given.values() if value.requires_grad]
    size = _samples(batch)
    sizes = size // 2, size - size // 2
    halves = _rows(batch, slice(sizes[0])), _rows(batch, slice(sizes[0], size))
    devices = {value.device for value in leaves if value.device.type == "cuda"}
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        gradients = [
            torch.autograd.grad(_scalar(loss_fn(passed, half)), leaves, materialize_grads=True)
            for half in halves
        ]
    mean = [(sizes[0] * a + sizes[1] * b) / size for a, b in zip(*gradients, strict=True)]
    squares = [_square(gradient) for gradient in gradients]
    trace, squared = micro_batch_moments(sizes, squares, _square(mean))
    return gradient_noise_scale([trace], [squared])


def _check_parameters(given: Mapping[Any, Any]) -> None:
    wrong = [
        name
        for name, value in given.items()
        if not isinstance(value, Tensor) or not value.is_floating_point()
    ]
    if wrong or not given:
        what = f"entry {wrong[0]!r} is none" if wrong else "there are none"
        message = (
            f"params are tensors of real numbers by name, or in a sequence such as model.parameters(); {what}"
        )
        raise ValueError(message)


def _scalar(loss: Any) -> Tensor:
    """The loss of a half, if it is one that can be differentiated."""
    fits = isinstance(loss, Tensor) and loss.numel() == 1
    if not fits or not loss.requires_grad or not bool(loss.isfinite().all()):
        got = (
            f"shape {tuple(loss.shape)}"
            if isinstance(loss, Tensor) and not fits
            else f"{loss.item()}, {'with' if loss.requires_grad else 'without'} a graph"
            if fits
            else type(loss).__name__
        )
        message = f"loss_fn gave {got}; it must give a finite scalar that depends on params, the mean over the samples of a half"
        raise ValueError(message)
    found: Tensor = loss
    return found


def _square(gradient: Sequence[Tensor]) -> float:
    return sum(float(part.double().square().sum()) for part in gradient)


def _rows(batch: Any, rows: slice) -> Any:
    if isinstance(batch, Mapping):
        return {name: _rows(part, rows) for name, part in batch.items()}
    if isinstance(batch, tuple | list):
        parts = [_rows(part, rows) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)  # of a named tuple
    return batch[rows]


def _lengths(batch: Any) -> set[int]:
    if isinstance(batch, Mapping):
        return set().union(*map(_lengths, batch.values()))
    if isinstance(batch, tuple | list):
        return set().union(*map(_lengths, batch))
    check_has("a part of the batch", batch, "ndim", "tensors with the samples on axis 0")
    return {len(batch) if batch.ndim else 0}


def _samples(batch: Any) -> int:
    lengths = _lengths(batch)
    if len(lengths) != 1 or next(iter(lengths)) < 2:
        message = (
            f"the tensors of the batch have {sorted(lengths)} samples; give tensors of one length, with two samples "
            "or more on axis 0"
        )
        raise ValueError(message)
    return lengths.pop()
