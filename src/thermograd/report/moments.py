"""Count, mean and sum of squared deviations of columns of numbers, which can be merged part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Moments:
    """What is kept of the numbers of each column.

    Attributes:
        count: `(column,)` how many were finite.
        mean: `(column,)` their mean, 0 where there are none.
        squares: `(column,)` sum of their squared deviations from it.
    """

    count: Array
    mean: Array
    squares: Array

    @classmethod
    def none(cls, columns: int) -> Moments:
        """Those of no number at all."""
        return cls(np.zeros(columns), np.zeros(columns), np.zeros(columns))

    @classmethod
    def of(cls, values: Array) -> Moments:
        """Those of the finite entries of `(row, column)`.

        >>> found = Moments.of(np.array([[1.0], [np.nan], [3.0]]))
        >>> float(found.count[0]), float(found.mean[0]), float(found.squares[0])
        (2.0, 2.0, 2.0)
        """
        finite = np.isfinite(values)
        count = finite.sum(axis=0).astype(float)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.where(finite, values, 0.0).sum(axis=0) / np.maximum(count, 1)
            squares = (np.where(finite, values - mean, 0.0) ** 2).sum(axis=0)
        return cls(count, mean, squares)

    def merged(self, other: Moments) -> Moments:
        """Those of both parts together.

        The parallel update of Chan, Golub & LeVeque (1979, eq. 2.1): with d the difference of two means,
        M = M_a + M_b + d² n_a n_b / (n_a + n_b).
        """
        count = self.count + other.count
        shared = np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = other.mean - self.mean
            mean = self.mean + difference * other.count / shared
            squares = self.squares + other.squares + difference**2 * self.count * other.count / shared
        return Moments(count, mean, squares)

    def absorb(self, columns: slice, more: Moments) -> None:
        """Merge into some of the columns, in place."""
        merged = Moments(self.count[columns], self.mean[columns], self.squares[columns]).merged(more)
        self.count[columns], self.mean[columns], self.squares[columns] = (
            merged.count,
            merged.mean,
            merged.squares,
        )

    def copy(self) -> Moments:
        """The same, to be changed."""
        return Moments(self.count.copy(), self.mean.copy(), self.squares.copy())

    @property
    def deviation(self) -> Array:
        """`(column,)` standard deviation (n - 1 in the denominator), NaN of fewer than two numbers."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count < 2, np.nan, np.sqrt(self.squares / (self.count - 1)))
