"""Matrices of a given spectrum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="session")
def symmetric() -> Callable[..., Array]:
    """A symmetric matrix with these eigenvalues, its eigenvectors drawn from a seed."""

    def make(values: Array, seed: int = 0) -> Array:
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
        return np.asarray(turn @ np.diag(values) @ turn.T)

    return make
