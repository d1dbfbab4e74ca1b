"""Where the weights of windows have been, in memory, and how far they went."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.ensemble.block import Tensors
from thermograd.numerics.lagged_displacement import lagged_displacement

Array = npt.NDArray[Any]

_ROUNDINGS = 16


class WindowHistory:
    """Positions of some weights of each window, counted from its start, in float32: differences need no more.

    Args:
        start: the weights at age 0, by name, `(window, ...)`.
        places: which are followed, by name.
        length: number of ages.
    """

    def __init__(self, start: Tensors, places: dict[str, Tensor], length: int) -> None:
        self._places = places
        self._start = self._picked(start)
        count = len(next(iter(start.values())))
        self._paths = [np.zeros((count, length, len(chosen)), np.float32) for chosen in places.values()]
        precision = torch.finfo(self._start[0].dtype).eps
        square = float(torch.cat([value.reshape(-1) for value in self._start]).square().mean())
        self._rounding = (_ROUNDINGS * precision) ** 2 * square

    def note(self, age: int, weights: Tensors) -> None:
        """The weights at an age."""
        for path, start, now in zip(self._paths, self._start, self._picked(weights), strict=True):
            with np.errstate(over="ignore"):  # a window that diverges; see `lost`
                path[:, age] = (now - start).numpy()

    @property
    def lost(self) -> npt.NDArray[np.bool_]:
        """Windows whose positions left the range of float32 at some age."""
        found = [~np.isfinite(path).all(axis=(1, 2)) for path in self._paths]
        gone: npt.NDArray[np.bool_] = np.any(found, axis=0)
        return gone

    def displacement(self, first: int, last: int, lags: int) -> Array:
        """D of these origins, `(window, tensor, lag)`; what is below the rounding of the weights is 0, what diverged NaN."""
        found = np.full((len(self._paths[0]), len(self._paths), lags), np.nan)
        for tensor, paths in enumerate(self._paths):
            for window, path in enumerate(paths):
                if np.isfinite(path).all():
                    moved = lagged_displacement(path, first, last, lags)
                    found[window, tensor] = np.where(moved < self._rounding, 0.0, moved)
        return found

    def mean_displacement(self, origins: int, lag: int) -> Array:
        """Displacement over a lag, averaged over the first origins: `(window, coordinate)`, tensor after tensor."""
        with np.errstate(invalid="ignore"):  # of windows that diverged
            found = [
                path[:, lag : lag + origins].mean(axis=1) - path[:, :origins].mean(axis=1)
                for path in self._paths
            ]
        return np.concatenate(found, axis=1)

    def _picked(self, weights: Tensors) -> list[Tensor]:
        return [weights[name].reshape(len(weights[name]), -1)[:, at] for name, at in self._places.items()]
