"""The loss that SGD without replacement minimises, of any per-sample loss, and its minimum.

L̂ = n L − (η n (n − 1)/4) [ |g|² − tr(S)/M ], with n steps per epoch (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski,
arXiv 2306.03521, (16), with the regulariser carried by every sample).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, hessian, vmap

from thermograd.errors import ConfigError
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.described_loss import per_sample_loss
from thermograd.observables.per_sample_loss import Parameters, PerSampleLoss, unflattened
from thermograd.observables.refinement import newton
from thermograd.problems.tensor_data import as_tensor


def effective_loss(
    loss: Any,
    data: Any,
    parameters: Parameters | None = None,
    *,
    learning_rate: float,
    batch_size: int,
    criterion: Callable[..., Tensor] | None = None,
    regulariser: float | Callable[[Any], Tensor] | None = None,
    weight_decay: float = 0.0,
) -> Tensor:
    """L̂ of an epoch of n steps, a scalar that can be differentiated by `parameters` where these require a gradient.

    Args:
        loss: a function, module or problem; see `landscape`.
        data: its data; None for those of a problem.
        parameters: `(N,)` or by name; the loss's own if None.
        learning_rate: η.
        batch_size: m, a divisor of the number of samples.
        criterion: see `landscape`.
        regulariser: see `landscape`.
        weight_decay: see `landscape`.

    Raises:
        ConfigError: a ValueError: see `landscape`; or a learning rate or batch size out of its range.

    >>> parabolas = lambda place, batch: batch[0] * (place[0] - batch[1]).square() / 2
    >>> data = (torch.tensor([1.5, 0.5]), torch.tensor([-2 / 3, 2.0]))
    >>> effective_loss(parabolas, data, torch.zeros(1), learning_rate=0.1, batch_size=1).item()  # 2 L + 0.05 tr(S)/2
    1.383333...
    """
    known = per_sample_loss(
        loss, data, parameters, criterion=criterion, regulariser=regulariser, weight_decay=weight_decay
    )
    point = known.start if parameters is None else _with_graph(known, parameters)
    return _effective(known, _checked(known, learning_rate, batch_size), learning_rate)(point)


def minimize_effective_loss(
    loss: Any,
    data: Any = None,
    parameters: Parameters | None = None,
    *,
    learning_rate: float,
    batch_size: int,
    criterion: Callable[..., Tensor] | None = None,
    regulariser: float | Callable[[Any], Tensor] | None = None,
    weight_decay: float = 0.0,
) -> Any:
    """θ̂, the minimum of L̂ next to the parameters, by Newton's method; of the form of `parameters`, else by name.

    Args:
        loss: see `effective_loss`.
        data: see `effective_loss`.
        parameters: see `effective_loss`.
        learning_rate: η.
        batch_size: m.
        criterion: see `landscape`.
        regulariser: see `landscape`.
        weight_decay: see `landscape`.

    Raises:
        ConfigError: a ValueError: see `effective_loss`.

    >>> parabolas = lambda place, batch: batch[0] * (place[0] - batch[1]).square() / 2
    >>> data = (torch.tensor([1.5, 0.5]), torch.tensor([-2 / 3, 2.0]))  # the mean loss is least at 0
    >>> found = minimize_effective_loss(parabolas, data, torch.zeros(1), learning_rate=0.1, batch_size=1)
    >>> round(found.item(), 6)  # noise is stronger to the right: −0.05/1.925
    -0.025974
    """
    known = per_sample_loss(
        loss, data, parameters, criterion=criterion, regulariser=regulariser, weight_decay=weight_decay
    )
    function = _effective(known, _checked(known, learning_rate, batch_size), learning_rate)
    found = newton(function, grad(function), hessian(function), known.start)
    return found if isinstance(parameters, Tensor) else unflattened(found, known.shapes)


def _with_graph(known: PerSampleLoss, parameters: Parameters) -> Tensor:
    if isinstance(parameters, Mapping):
        return torch.cat([parameters[name].double().reshape(-1) for name in known.shapes])
    return as_tensor("parameters", parameters).double()


def _effective(known: PerSampleLoss, steps: int, learning_rate: float) -> Callable[[Tensor], Tensor]:
    samples = known.samples

    def single(point: Tensor, sample: tuple[Tensor, ...]) -> Tensor:
        return known.losses(point, tuple(part[None] for part in sample))[0]

    def effective(point: Tensor) -> Tensor:
        gradients = vmap(grad(single), (None, 0))(point, known.data)
        mean = gradients.mean(0)
        trace = (gradients - mean).square().sum() / (samples - 1) if steps > 1 else 0.0
        order = learning_rate * steps * (steps - 1) / 4 * (mean.square().sum() - trace / samples)
        total: Tensor = steps * known.losses(point, known.data).mean() - order
        return total

    return effective


def _checked(known: PerSampleLoss, learning_rate: float, batch_size: int) -> int:
    """Steps per epoch."""
    check_finite_number("learning_rate", learning_rate, zero=False, error=ConfigError)
    check_whole_number("batch_size", batch_size, 1, known.samples, error=ConfigError)
    if known.samples % batch_size:
        message = f"batch_size is {batch_size!r}; it must divide the {known.samples} samples"
        raise ConfigError(message)
    return known.samples // batch_size
