"""When the weights of a trajectory have become infinite or NaN."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.block import Tensors


def diverged_at(weights: Tensors, before: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """`before`, with `step` for trajectories that have just become non-finite.

    Args:
        weights: by name, `(trajectory, ...)`.
        before: per trajectory, the first step with a weight that is infinite or NaN; -1 for none so far.
        step: the present one.

    >>> weights = {"w": torch.tensor([[1.0, 2.0], [float("inf"), 0.0]])}
    >>> diverged_at(weights, np.array([-1, -1]), 7).tolist()
    [-1, 7]
    """
    if math.isfinite(float(sum_of_weights(weights))):
        return before
    rows = [value.reshape(len(value), -1).isfinite().all(1) for value in weights.values()]
    finite = torch.stack(rows).all(0)
    return np.where((before < 0) & ~finite.cpu().numpy(), step, before)


def sum_of_weights(weights: Tensors) -> torch.Tensor:
    """The sum of all weights, which is not finite if one of them is not.

    It may overflow where every weight is finite, so that it is only a hint, and a cheap one.
    """
    return torch.stack([value.sum() for value in weights.values()]).sum()
