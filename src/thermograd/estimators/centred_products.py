"""Means of products of two recorded vectors about their means, with standard errors: covariances and areas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.trajectory_pieces import ENOUGH_TRAJECTORIES, MeanOfPieces, note_on_pieces
from thermograd.numerics.block_average import block_average

Array = npt.NDArray[Any]
Centre = Literal["given", "common", "own"]

_LARGEST = 2 * 10**7


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

    With 20 trajectories or more a block is a trajectory, else as short as 160 MB of sums allow.

    Args:
        left: x.
        right: y, of the same shape.

    >>> product_sums(np.ones((1, 3, 2)), np.ones((1, 3, 2))).product.shape
    (1, 3, 2, 2)
    """
    trajectories, times, count = left.shape
    length = times
    if trajectories < ENOUGH_TRAJECTORIES:
        length = min(max(1, -(-trajectories * times * count**2 // _LARGEST)), max(1, times // 64))
    blocks = times // length
    kept = slice(times - blocks * length, None)
    x, y = (part[:, kept].reshape(trajectories, blocks, length, count) for part in (left, right))
    number = np.full((trajectories, blocks), float(length))
    return ProductSums(number, x.sum(axis=2), y.sum(axis=2), x.swapaxes(2, 3) @ y)


def centred_products(sums: ProductSums, centre: Centre, part: Callable[[Array], Array]) -> MeanOfPieces:
    """⟨x yᵀ⟩ − ⟨x⟩⟨y⟩ᵀ, or a part of it, free of the bias of measured means.

    The means are measured too, which takes Cov(⟨x⟩, ⟨y⟩) away; it is estimated from the scatter of the pieces and
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
    found = _mean(sums, part(sums.product - moved))
    x, y = sums.left / count - x_mean, sums.right / count - y_mean
    if centre == "common":
        stretch = found.pieces / (found.pieces - 1)
        bias = _covariance_of_means(x, y, found.pieces)
        return found._replace(value=found.value + part(bias), error=found.error * stretch)
    if blocks == 1:
        note = "about the mean of each trajectory, whose own scatter one block does not show: too small"
        return found._replace(note=note)
    within = max(2, block_average(part(sums.product - moved) / count[..., None]).pieces // trajectories)
    each = [_covariance_of_means(x[[row]], y[[row]], within) for row in range(trajectories)]
    return found._replace(value=found.value + part(np.mean(each, axis=0)))


def _mean(sums: ProductSums, products: Array) -> MeanOfPieces:
    """Mean of products per block over the terms, its error from trajectories or from longer blocks."""
    if len(sums.count) >= ENOUGH_TRAJECTORIES:
        number = sums.count.sum(axis=1)
        each = products.sum(axis=1) * (len(number) / number.sum())
        error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
        return MeanOfPieces(each.mean(axis=0), error, len(each), "")
    found = block_average(products / sums.count[..., None, None])
    note = note_on_pieces(found.pieces, found.flat)
    return MeanOfPieces(found.mean, found.standard_error, found.pieces, note)


def _covariance_of_means(x: Array, y: Array, pieces: int) -> Array:
    """Covariance of the two means from block means `(trajectory, block, N)`, joined to about so many pieces."""
    trajectories, blocks = x.shape[:2]
    length = max(1, trajectories * blocks // pieces)
    kept = blocks - blocks // length * length
    shape = (-1, length, x.shape[2])
    x_pieces, y_pieces = (side[:, kept:].reshape(shape).mean(axis=1) for side in (x, y))
    pieces = len(x_pieces)
    covariance: Array = x_pieces.T @ y_pieces / (pieces * (pieces - 1))
    return covariance


def _outer(x: Array, y: Array) -> Array:
    product: Array = x[..., :, None] * y[..., None, :]
    return product
