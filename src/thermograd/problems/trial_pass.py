"""The first pass of data through a model and a loss: what torch refuses is told in terms of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from thermograd.errors import ConfigError, ThermogradError

_RAW = (RuntimeError, IndexError, ValueError, TypeError)


def tried(
    forward: Callable[[Tensor], Any],
    loss: Callable[[Any, Tensor], Any],
    data: tuple[Tensor, Tensor],
    *,
    split: str = "train",
    module: nn.Module | None = None,
) -> tuple[Any, Any]:
    """Outputs and losses of a few samples.

    Args:
        forward: inputs -> outputs.
        loss: (outputs, targets) -> one number per sample.
        data: (inputs, targets) of these samples.
        split: which data they are, for the message.
        module: the model, if it is one, for the message.

    Raises:
        ConfigError: a ValueError: the model cannot take the inputs, or the loss the targets.
        ThermogradError: what model or loss say themselves.
    """
    inputs, targets = data
    try:
        outputs = forward(inputs)
    except ThermogradError:
        raise
    except _RAW as error:
        message = (
            f"the model cannot take the {split} inputs, {_shown(inputs)}: {_first_line(error)}. "
            f"{_about_inputs(inputs, module)}"
        )
        raise ConfigError(message) from error
    try:
        return outputs, loss(outputs, targets)
    except ThermogradError:
        raise
    except _RAW as error:
        message = (
            f"the loss cannot compare outputs, {_shown(outputs)}, with the {split} targets, {_shown(targets)}: "
            f"{_first_line(error)}. {_about_targets(outputs, targets)}"
        )
        raise ConfigError(message) from error


def extreme_labels(targets: Tensor) -> Tensor | None:
    """The two samples with the smallest and the largest label, `(2,)`; None where targets are no labels.

    >>> extreme_labels(torch.tensor([1, 0, 2, 9])).tolist()
    [1, 3]
    """
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        return None
    each = targets.flatten(1) if targets.ndim > 1 else targets[:, None]
    return torch.stack([each.amin(1).argmin(), each.amax(1).argmax()])


def _about_inputs(inputs: Tensor, module: nn.Module | None) -> str:
    if not inputs.is_floating_point():
        return "Only embeddings take whole numbers: for other layers give inputs.float()"
    layers = () if module is None else module.named_modules()
    for path, layer in layers:
        name = path or type(layer).__name__
        if isinstance(layer, nn.Linear) and inputs.ndim == 1:
            return f"Layer {name!r} takes samples of {layer.in_features} columns: give inputs[:, None] if a number is a sample"
        if isinstance(layer, nn.Linear) and inputs.shape[-1] != layer.in_features:
            return f"Layer {name!r} takes {layer.in_features} columns and the inputs have {inputs.shape[-1]}: change one of them"
        if next(layer.parameters(recurse=False), None) is not None:
            break
    return "Samples are on axis 0; give inputs of the shape that the model is made for"


def _about_targets(outputs: Any, targets: Tensor) -> str:
    wide = isinstance(outputs, Tensor) and outputs.ndim > 1
    if targets.is_floating_point():
        if wide and targets.ndim < outputs.ndim:
            return "If they are class labels, give whole numbers: targets.long()"
        return "Give targets of the shape of the outputs"
    low, high = int(targets.min()), int(targets.max())
    if wide and not 0 <= low <= high < outputs.shape[1]:
        return (
            f"Labels go from {low} to {high} and the model has outputs for {outputs.shape[1]} classes: labels must be 0 to "
            f"{outputs.shape[1] - 1}, or the last layer needs {max(high, 0) + 1} outputs"
        )
    kept = "" if targets.dtype == torch.int64 else "If they are class labels, give targets.long(). "
    return f"{kept}If they are numbers and no class labels, give targets.float(), of the shape of the outputs"


def _shown(thing: Any) -> str:
    if not isinstance(thing, Tensor):
        return f"a {type(thing).__name__}"
    shape = ", ".join(("samples", *map(str, thing.shape[1:]))) + ("," if thing.ndim == 1 else "")
    return f"of shape ({shape}) and {str(thing.dtype).removeprefix('torch.')}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
