"""Means of products of two recorded vectors about their means, with standard errors: covariances and areas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import (
    ENOUGH_TRAJECTORIES,
    MeanOfPieces,
    mean_over_blocks,
    mean_over_trajectories,
)

Array = npt.NDArray[Any]
Centre = Literal["given", "common", "own"]

_LARGEST = 5 * 10**6
_FEWEST = 64
_QUARTERS = 4


@dataclass(frozen=True, eq=False)
class ProductSums:
    """Sums over consecutive blocks of each trajectory of two vectors x, y and of their products.

    Attributes:
        count: terms of each block, `(trajectory, block)`.
        left: Σ x, `(trajectory, block, N)`.
        right: Σ y, `(trajectory, block, N)`.
        product: Σ x yᵀ, `(trajectory, block, N, N)`, or a linear function of it.
    """

    count: Array
    left: Array
    right: Array
    product: Array

    def since(self, block: int) -> ProductSums:
        """Without the first blocks."""
        return ProductSums(
            self.count[:, block:], self.left[:, block:], self.right[:, block:], self.product[:, block:]
        )

    def whole(self) -> ProductSums:
        """One block a trajectory."""
        parts = (self.count, self.left, self.right, self.product)
        return ProductSums(*(part.sum(axis=1, keepdims=True) for part in parts))


def product_sums(left: Array, right: Array) -> ProductSums:
    """The sums of recorded vectors, `(trajectory, time, N)` each.

    With 20 trajectories or more a block is a trajectory, else as short as 40 MB of sums allow, but 64 of them at least.

    Args:
        left: x.
        right: y, of the same shape.

    >>> product_sums(np.ones((1, 3, 2)), np.ones((1, 3, 2))).product.shape
    (1, 3, 2, 2)
    """
    trajectories, times, count = left.shape
    length = times
    if trajectories < ENOUGH_TRAJECTORIES:
        wanted = -(-trajectories * times * count**2 // _LARGEST)
        length = max(1, min(wanted, trajectories * times // _FEWEST, times // _QUARTERS))
    blocks = times // length
    kept = slice(times - blocks * length, None)
    x, y = (part[:, kept].reshape(trajectories, blocks, length, count) for part in (left, right))
    number = np.full((trajectories, blocks), float(length))
    return ProductSums(number, x.sum(axis=2), y.sum(axis=2), x.swapaxes(2, 3) @ y)


def centred_products(sums: ProductSums, centre: Centre, part: Callable[[Array], Array]) -> MeanOfPieces:
    """⟨x yᵀ⟩ − ⟨x⟩⟨y⟩ᵀ, or a part of it, free of the bias of measured means.

    The means are measured too, which takes Cov(⟨x⟩, ⟨y⟩) away; it is estimated from the scatter of means and
    added. For n independent pairs this is the familiar divisor n − 1.

    Args:
        sums: of x, y and the same part of x yᵀ.
        centre: "given": x is counted from a known centre, nothing is subtracted; "common": one mean for all
            trajectories; "own": one for each trajectory, for records that are counted from different points.
        part: of a matrix in the last two axes, linear: itself, or its antisymmetric half.

    Returns:
        The matrix, its standard errors and the number of pieces.

    Raises:
        ConfigError: a ValueError: a single block in all.

    >>> x = np.array([[[0.0]], [[2.0]]])
    >>> centred_products(product_sums(x, x), "common", lambda matrix: matrix).value.tolist()
    [[2.0]]
    """
    trajectories, blocks = sums.count.shape
    if trajectories * blocks < 2:
        message = "one block of one trajectory has no error bar; record more times, or more trajectories"
        raise ConfigError(message)
    if centre == "given":
        return _mean(sums, part(sums.product))
    over = (0, 1) if centre == "common" else 1
    number = sums.count.sum(axis=over, keepdims=True)[..., None]
    x_mean, y_mean = (side.sum(axis=over, keepdims=True) / number for side in (sums.left, sums.right))
    count = sums.count[..., None]
    moved = _outer(x_mean, sums.right) + _outer(sums.left - count * x_mean, y_mean)
    products = part(sums.product - moved)
    found = _mean(sums, products)
    x, y = sums.left / count - x_mean, sums.right / count - y_mean
    if centre == "common":
        bias = part(_covariance_of_a_common_mean(x, y))
        stretch = found.pieces / (found.pieces - 1)
        return found._replace(value=found.value + bias, error=found.error * stretch)
    if blocks == 1:
        note = "about the mean of each trajectory, whose own scatter one block does not show: too small"
        return found._replace(note=note)
    scatter = part(_covariance_of_own_means(x, y))
    if trajectories >= ENOUGH_TRAJECTORIES:
        number = sums.count.sum(axis=1)[..., None, None]
        return mean_over_trajectories(products.sum(axis=1) / number + scatter)
    bias = scatter.mean(axis=0)
    return found._replace(value=found.value + bias, error=found.error * _stretch(found.value, bias))


def _stretch(value: Array, bias: Array) -> Array:
    """By how much centred products scatter less than those about the true mean: as much as their mean is smaller."""
    variance, missing = np.diagonal(value), np.diagonal(bias)
    each = 1 + np.divide(missing, variance, out=np.zeros_like(variance), where=variance > 0)
    stretch: Array = np.sqrt(np.maximum(each[:, None] * each, 1.0))
    return stretch


def _mean(sums: ProductSums, products: Array) -> MeanOfPieces:
    """Mean of products per block over the terms, its error from trajectories or from longer blocks."""
    if len(sums.count) >= ENOUGH_TRAJECTORIES:
        number = sums.count.sum(axis=1)
        return mean_over_trajectories(products.sum(axis=1) * (len(number) / number.sum()))
    return mean_over_blocks(products / sums.count[..., None, None])


def _covariance_of_a_common_mean(x: Array, y: Array) -> Array:
    """Cov(⟨x⟩, ⟨y⟩) of one mean for all from block means `(trajectory, block, N)`: between trajectories, or within few."""
    trajectories, blocks = x.shape[:2]
    if trajectories > 1 and (trajectories >= ENOUGH_TRAJECTORIES or blocks < _QUARTERS):
        x_each, y_each = x.mean(axis=1), y.mean(axis=1)
        between: Array = x_each.T @ y_each / (trajectories * (trajectories - 1))
        return between
    within: Array = _covariance_of_own_means(x, y).mean(axis=0) / trajectories
    return within


def _covariance_of_own_means(x: Array, y: Array) -> Array:
    """Cov(⟨x⟩, ⟨y⟩) of the means of each trajectory from its block means, `(trajectory, N, N)`.

    Over n terms the mean has variance V(n) = a/n − b/n². The means of halves and quarters, about that of all, have
    V(n/2) − V(n) and V(n/4) − V(n); so V(n) is twice the first less a third of the second.
    """
    halves = _between_parts(x, y, 2)
    if x.shape[1] < _QUARTERS:
        return halves
    return 2 * halves - _between_parts(x, y, _QUARTERS) / 3


def _between_parts(x: Array, y: Array, parts: int) -> Array:
    """Mean product of the means of equal parts of each trajectory, about the mean of all its parts."""
    trajectories, blocks, count = x.shape
    shape = (trajectories, parts, blocks // parts, count)
    x_parts, y_parts = (side[:, blocks % parts :].reshape(shape).mean(axis=2) for side in (x, y))
    away = x_parts - x_parts.mean(axis=1, keepdims=True)
    product: Array = away.swapaxes(1, 2) @ y_parts / parts
    return product


def _outer(x: Array, y: Array) -> Array:
    product: Array = x[..., :, None] * y[..., None, :]
    return product
