"""The per-sample loss of whatever describes one: a function, a module with a criterion, a problem."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.per_sample_loss import FLAT, Batch, Parameters, PerSampleLoss, Weights
from thermograd.problems.functional import FunctionalProblem
from thermograd.problems.problem import Problem
from thermograd.problems.tensor_data import as_tensor, long_labels
from thermograd.problems.trial_pass import extreme_labels, tried


def per_sample_loss(
    loss: Any,
    data: Any = None,
    parameters: Parameters | None = None,
    *,
    criterion: Callable[..., Tensor] | None = None,
    regulariser: float | Callable[[Any], Tensor] | None = None,
    weight_decay: float = 0.0,
    chunk: int | None = None,
) -> PerSampleLoss:
    """The per-sample loss of whatever describes one.

    Args:
        loss: `(parameters, batch) -> (B,)` with flat or named parameters; an `nn.Module`, with `criterion`; a problem.
        data: a tensor, or a tuple of equally long ones, of which a function gets slices; a problem brings its own.
        parameters: where to begin; needed for a callable.
        criterion: `(outputs, targets, reduction="none")`, averaged over all axes but the first; or a module of
            `torch.nn` with a `reduction`.
        regulariser: λ of λ Σ θ², or a function of the parameters.
        weight_decay: w of ½ w |θ|².
        chunk: samples in a pass.

    Raises:
        ConfigError: arguments that do not go together.
    """
    check_number("weight_decay", weight_decay)
    if regulariser is not None and not callable(regulariser):
        check_number("regulariser", regulariser)
    if chunk is not None:
        check_whole_number("chunk", chunk, 1, of="samples", error=ConfigError)
    if hasattr(loss, "build"):
        loss = loss.build()
    if isinstance(loss, Problem):
        found = _of_problem(loss, data, parameters)
    elif isinstance(loss, nn.Module):
        found = _of_module(loss, data, parameters, criterion)
    elif callable(loss):
        found = _of_callable(loss, data, parameters)
    else:
        message = f"loss is a {type(loss).__name__}; give a function (parameters, batch) -> losses, an nn.Module, or a problem"
        raise ConfigError(message)
    if criterion is not None and not isinstance(loss, nn.Module):
        message = "criterion= goes with an nn.Module only; a function or a problem brings its own loss"
        raise ConfigError(message)
    named = not (set(found.shapes) == {FLAT} and isinstance(parameters, Tensor))
    return _checked(_regularised(found, regulariser, weight_decay, named=named, chunk=chunk))


def _of_problem(problem: Problem, data: Any, parameters: Parameters | None) -> PerSampleLoss:
    given = list(parameters.values()) if isinstance(parameters, Mapping) else [parameters]
    device = next((value.device for value in given if isinstance(value, Tensor)), torch.device("cpu"))
    functional = FunctionalProblem(problem, "float64", str(device))
    weights, buffers = functional.draw_initial(0)
    functional = functional.with_buffers(buffers)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivatives
            outputs = functional.outputs(weights, batch[0])
        found = functional.loss(outputs, batch[1])
        return found + functional.regularisation(weights)

    start = torch.cat([value.reshape(-1) for value in weights.values()])
    found = PerSampleLoss(
        losses, functional.train if data is None else _data(data, device), start, functional.shapes
    )
    return _at(found, parameters)


def _of_module(
    module: nn.Module, data: Any, parameters: Parameters | None, criterion: Callable[..., Tensor] | None
) -> PerSampleLoss:
    if criterion is None:
        message = "an nn.Module needs criterion=, for example criterion=torch.nn.functional.cross_entropy"
        raise ConfigError(message)
    mixing = layer_that_mixes_samples(module)
    if mixing is not None:
        message = (
            f"layer {mixing!r} normalises by the statistics of the batch, so that no sample has a loss of its own. Call "
            "model.eval() first if the running statistics are meant"
        )
        raise ConfigError(message)
    copied = copy.deepcopy(module).to(torch.float64).eval()
    weights = {name: value.detach() for name, value in copied.named_parameters() if value.requires_grad}
    if not weights:
        message = "the model has no trainable parameters; set requires_grad on those to be trained"
        raise ConfigError(message)
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    start = torch.cat([value.reshape(-1) for value in weights.values()])
    measure = _unreduced(criterion, start)
    batch = _pair(data, start.device)

    def forward(weights: Weights, inputs: Batch) -> Any:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivatives
            return functional_call(copied, weights, inputs)

    _try(lambda inputs: forward(weights, inputs), measure, batch, copied)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        found = measure(forward(weights, batch[:-1]), batch[-1])
        return found.flatten(1).mean(1) if found.ndim > 1 else found

    silent = any(
        isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0 for layer in module.modules()
    )
    note = "dropout switched off: its noise is left out" if silent else ""
    return _at(PerSampleLoss(losses, batch, start, shapes, note=note), parameters)


def _try(
    forward: Callable[[Batch], Any],
    measure: Callable[[Tensor, Tensor], Tensor],
    batch: Batch,
    module: nn.Module,
) -> None:
    """The first sample, and those of the smallest and of the largest label, through model and criterion.

    Raises:
        ConfigError: what the model or the criterion cannot take.
    """
    extremes = extreme_labels(batch[-1])
    for rows in (torch.arange(1), *(() if extremes is None or extremes.is_cuda else (extremes,))):
        few = tuple(part[rows.to(part.device)] for part in batch)
        with torch.no_grad():
            tried(
                partial(_beside, forward, few[1:-1]), measure, (few[0], few[-1]), split="given", module=module
            )


def _beside(forward: Callable[[Batch], Any], others: Batch, inputs: Tensor) -> Any:
    return forward((inputs, *others))


def layer_that_mixes_samples(module: nn.Module) -> str | None:
    """The name of a layer that normalises by the statistics of the batch; None if there is none.

    Args:
        module: in the mode in which it is used.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and (
            layer.training or layer.running_mean is None
        ):
            return str(name)
    return None


def _unreduced(criterion: Callable[..., Tensor], start: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    if isinstance(criterion, nn.Module):
        if getattr(criterion, "reduction", None) not in {"mean", "none"}:
            message = (
                f"criterion {type(criterion).__name__} has reduction {getattr(criterion, 'reduction', None)!r}; it must be 'mean': "
                "learning rate, batch size and weight decay are those of a mean over samples"
            )
            raise ConfigError(message)
        whole = copy.deepcopy(criterion).to(start)
        whole.reduction = "none"  # type: ignore[assignment]  # a module whose class is not known
        return whole
    return lambda outputs, targets: criterion(outputs, targets, reduction="none")


def _of_callable(loss: Callable[..., Tensor], data: Any, parameters: Parameters | None) -> PerSampleLoss:
    if parameters is None:
        message = "a function needs parameters=, a flat tensor or a dict of tensors"
        raise ConfigError(message)
    alone, named = not isinstance(data, tuple | list), isinstance(parameters, Mapping)
    if isinstance(parameters, Mapping):
        for name, value in parameters.items():
            check_has(f"parameters {name!r}", value, "detach", "a tensor for each name")
        if not parameters:
            message = "parameters is empty; give a flat tensor, or a dict of tensors by name"
            raise ConfigError(message)

    def losses(weights: Weights, batch: Batch) -> Tensor:
        return loss(weights if named else weights[FLAT], batch[0] if alone else batch)

    if isinstance(parameters, Mapping):
        shapes = {name: tuple(value.shape) for name, value in parameters.items()}
        start = torch.cat([value.detach().reshape(-1) for value in parameters.values()]).double()
        return PerSampleLoss(losses, _data(data, start.device), start, shapes)
    start = as_tensor("parameters", parameters).detach().double()
    if start.ndim != 1 or not len(start):
        message = (
            f"parameters have shape {tuple(start.shape)}; a flat tensor (N,) is needed, or a dict of tensors"
        )
        raise ConfigError(message)
    return PerSampleLoss(losses, _data(data, start.device), start, {FLAT: tuple(start.shape)})


def _at(found: PerSampleLoss, parameters: Parameters | None) -> PerSampleLoss:
    return replace(found, start=found.flat(parameters).detach())


def _data(data: Any, device: torch.device) -> Batch:
    data = getattr(data, "tensors", data)  # of a TensorDataset
    parts = data if isinstance(data, tuple | list) else (data,)
    if any(hasattr(part, "shape") and len(part.shape) and not len(part) for part in parts):
        message = f"data hold no samples: shapes {', '.join(str(tuple(part.shape)) for part in parts)}"
        raise ConfigError(message)
    if not parts or not all(hasattr(part, "shape") and len(part.shape) for part in parts):
        message = (
            f"data is a {type(data).__name__}; give tensors with the samples on axis 0, for a model the tuple "
            "(inputs, targets). Of a Dataset: torch.utils.data.default_collate(list(dataset))"
        )
        raise ConfigError(message)
    tensors = tuple(as_tensor("data", part).detach().to(device) for part in parts)
    lengths = {len(part) for part in tensors}
    if len(lengths) > 1:
        message = (
            f"data have {', '.join(map(str, sorted(lengths)))} samples; all tensors must have equally many"
        )
        raise ConfigError(message)
    return tuple(part.double() if part.is_floating_point() else part for part in tensors)


def _pair(data: Any, device: torch.device) -> Batch:
    """The data of a model: its inputs, then the targets."""
    batch = _data(data, device)
    if len(batch) < 2:
        message = (
            f"data of a model are (inputs, targets), got one tensor of shape {tuple(batch[0].shape)}; "
            "give the targets too"
        )
        raise ConfigError(message)
    return (*batch[:-1], long_labels(batch[-1]))


def _regularised(
    found: PerSampleLoss,
    regulariser: float | Callable[[Any], Tensor] | None,
    weight_decay: float,
    *,
    named: bool,
    chunk: int | None,
) -> PerSampleLoss:
    def losses(weights: Weights, batch: Batch) -> Tensor:
        total = found.named_losses(weights, batch)
        if callable(regulariser):
            total = total + regulariser(weights if named else weights[FLAT])
        strength = weight_decay / 2 + (0.0 if regulariser is None or callable(regulariser) else regulariser)
        if strength:
            total = total + strength * torch.stack([value.square().sum() for value in weights.values()]).sum()
        return total

    return replace(found, named_losses=losses, chunk=chunk)


def _checked(found: PerSampleLoss) -> PerSampleLoss:
    """One number per sample, the same whatever the other samples are."""
    count = min(2, found.samples)
    got = found.losses(found.start, tuple(part[:count] for part in found.data))
    if not isinstance(got, Tensor) or got.shape != (count,):
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        message = (
            f"the loss must give one number per sample, shape ({count},) for {count} samples; got {shape}"
        )
        raise ConfigError(message)
    alone = found.losses(found.start, tuple(part[:1] for part in found.data))
    if got.isfinite().all() and not torch.allclose(alone[0], got[0], rtol=1e-6, atol=1e-12):
        shapes = ", ".join(str(tuple(part.shape)) for part in found.data)
        message = (
            f"the loss of a sample changes with the other samples of its batch: {float(alone[0]):.6g} alone, "
            f"{float(got[0]):.6g} beside another. Do outputs and targets have the same shape, (N, 1) and not (N,)? Data "
            f"here: {shapes}"
        )
        raise ConfigError(message)
    return found
