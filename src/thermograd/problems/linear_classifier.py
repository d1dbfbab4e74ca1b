"""A linear map from coarse images to ten classes with the square loss: quadratic samples, known to the last digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from thermograd.problems.problem import Problem

CLASSES = 10


def linear_classifier(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], *, pool: int, scale: float, **others: Any
) -> Problem:
    """ℓ_i = |y_i − W x_i|² with x the means of pool × pool pixels over `scale`, y one-hot, no biases, R = λ Σ W².

    Args:
        images: `(samples, side, side)`.
        labels: classes 0 to 9, `(samples,)`.
        pool: side of the squares that are averaged.
        scale: by which pixels are divided.
        **others: regulariser, dtype, name of the problem.
    """
    side = images.shape[1] // pool
    pooled = images.reshape(len(images), side, pool, side, pool).astype(np.float64).mean(axis=(2, 4)) / scale
    inputs = torch.from_numpy(pooled.reshape(len(images), side * side))
    targets = torch.from_numpy(np.eye(CLASSES)[labels.astype(np.int64)])
    return Problem(
        model=lambda: nn.Sequential(nn.Linear(side * side, CLASSES, bias=False)),
        loss=_squared_distance,
        train=(inputs, targets),
        **others,
    )


def _squared_distance(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum(-1)
