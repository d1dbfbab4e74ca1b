"""The batch size: what all minibatchings check about it, and the full batch."""

from __future__ import annotations

import numpy as np

from thermograd.protocols import Batch


def check_batch_size(batch_size: int | None) -> None:
    """Refuse anything but a whole number ≥ 1 or None (= the full training set).

    Raises:
        ValueError: says what was got.
    """
    if batch_size is None:
        return
    if not isinstance(batch_size, int | np.integer) or isinstance(batch_size, bool) or batch_size < 1:
        message = f"batch_size is {batch_size!r}; give a whole number, 1 or larger, or None for all samples"
        raise ValueError(message)


def fitting(batch_size: int | None, samples: int) -> int:
    """The batch size for a training set of this many samples.

    Raises:
        ValueError: the batch is larger than the training set.

    >>> fitting(None, 7), fitting(3, 7)
    (7, 3)
    """
    if batch_size is None:
        return samples
    if batch_size > samples:
        message = (
            f"batch_size is {batch_size} but the training set has {samples} samples; "
            f"use batch_size <= {samples}, or None for all of them"
        )
        raise ValueError(message)
    return batch_size


def full_batch(rows: int, samples: int) -> Batch:
    """All samples in order, for every trajectory.

    >>> full_batch(2, 3).indices.tolist()
    [[0, 1, 2], [0, 1, 2]]
    """
    return Batch(np.tile(np.arange(samples), (rows, 1)), None)
