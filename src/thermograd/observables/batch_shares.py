"""How much each of several batches counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from thermograd.errors import ConfigError
from thermograd.numerics.real_numbers import real_numbers


def shares_of(batches: Sequence[Any] | None, weights: Iterable[float] | None) -> tuple[float, ...]:
    """Weights of batches that add up to 1.

    Args:
        batches: or None.
        weights: one for each, or None for the numbers of samples.

    Raises:
        ConfigError: none, not one for each, not positive, or a batch whose samples cannot be counted.
    """
    if batches is None:
        if weights is not None:
            message = "weights= goes with batches="
            raise ConfigError(message)
        return (1.0,)
    if not batches:
        message = "batches is empty; give at least one batch, or leave it out"
        raise ConfigError(message)
    if weights is None:
        sizes = (
            [1.0] if len(batches) == 1 else [_counted(batch, place) for place, batch in enumerate(batches)]
        )
    else:
        known: object = weights
        single = isinstance(known, str) or not isinstance(known, Iterable)
        sizes = real_numbers("weights", weights if single else list(weights)).reshape(-1).tolist()
    if len(sizes) != len(batches) or not all(math.isfinite(size) and size > 0 for size in sizes):
        message = f"weights are {sizes}; one positive number for each of the {len(batches)} batches is needed"
        raise ConfigError(message)
    return tuple(size / sum(sizes) for size in sizes)


def _first(batch: Any) -> Any:
    """What tells the number of samples."""
    if isinstance(batch, Mapping):
        return next(iter(batch.values()), None)
    return batch[0] if isinstance(batch, tuple | list) and batch else batch


def _counted(batch: Any, place: int) -> float:
    try:
        return float(len(_first(batch)))
    except TypeError:
        message = f"the samples of batch {place} cannot be counted ({type(batch).__name__}); give weights=, one number for each batch"
        raise ConfigError(message) from None


def samples_of(batch: Any) -> int:
    """How many samples a batch has, as far as they can be counted; many otherwise.

    Args:
        batch: a tensor, or a tuple, list or dict of such.
    """
    try:
        return max(1, len(_first(batch)))
    except TypeError:
        return 1000
