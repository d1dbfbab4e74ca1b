"""Data of a user as tensors: arrays, lists, columns of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermograd.errors import ConfigError

_GIVE = "give a tensor or an array of numbers, samples on axis 0"
_SHORT = {torch.uint8, torch.int8, torch.int16, torch.int32}


def as_tensor(name: str, part: Any) -> Tensor:
    """An array, list or column of a table as a tensor of its own; a tensor as it is.

    Args:
        name: what it is, for the message.
        part: numbers.

    Raises:
        ConfigError: a ValueError: it holds anything else.

    >>> as_tensor("inputs", np.arange(3, dtype=">i4")[::-1]).tolist()
    [2, 1, 0]
    """
    if isinstance(part, Tensor):
        return part
    try:
        array = np.asarray(part)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"{name} are no array of numbers ({error}); {_GIVE}"
        raise ConfigError(message) from error
    if array.dtype.kind not in "biufc":
        message = f"{name} are no numbers, but a {type(part).__name__} of {array.dtype}; {_GIVE}"
        raise ConfigError(message)
    # torch takes neither strides below 0, nor bytes in the other order, nor what may not be written
    return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))


def long_labels(targets: Tensor) -> Tensor:
    """Whole numbers of fewer bits as int64, which every loss and derivative takes; other targets as they are."""
    return targets.long() if targets.dtype in _SHORT else targets
