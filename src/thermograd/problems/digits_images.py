"""The 1797 handwritten digits that come with scikit-learn, read in one place."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from thermograd.errors import MissingExtraError


def read_digits(purpose: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Images `(1797, 64)` with pixels 0 to 16, and their classes.

    Args:
        purpose: what needs them, for the error.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as cause:
        raise MissingExtraError(package="scikit-learn", extra="lab", purpose=purpose) from cause
    images, labels = load_digits(return_X_y=True)
    return images, labels
