"""What a row of the table of theory and simulation is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """Numbers that a theory predicts and a simulation measures.

    Attributes:
        theory: what predicts, in words, with its function.
        simulation: what was simulated, in words.
        scores: differences of measured and predicted numbers in standard errors.
        why: why they differ, where that is known.
    """

    theory: str
    simulation: str
    scores: Callable[[], Array]
    why: str = ""


def seed_of(words: str) -> int:
    """A seed of its own for every comparison: with a common one they would share their noise."""
    return crc32(words.encode())


def from_means(each: Array, expected: Array) -> Array:
    """Scores of means over independent trajectories.

    Args:
        each: one number of every trajectory, `(trajectory, ...)`.
        expected: of their mean, `(...)`.
    """
    error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return np.asarray((each.mean(axis=0) - expected) / error).ravel()


def from_moments(points: Array, centre: Array, covariance: Array) -> Array:
    """Scores of the mean and of all elements of the covariance.

    Args:
        points: of independent trajectories, at one time or several, `(trajectory, time, N)`.
        centre: predicted mean.
        covariance: predicted.
    """
    away = points - centre
    upper = np.triu_indices(len(covariance))
    products = np.einsum("...ti,...tj->...ij", away, away) / away.shape[-2]
    return np.concatenate(
        [
            from_means(away.mean(axis=-2), np.zeros(len(covariance))),
            from_means(products[:, *upper], covariance[upper]),
        ]
    )
