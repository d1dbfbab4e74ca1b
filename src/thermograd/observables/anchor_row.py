"""One waiting time: what is kept of its weights, and the distances measured from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_FIRST_ROOM = 16


class AnchorRow:
    """The image of the weights at a waiting time, and what was found at each lag.

    Attributes:
        waiting: the waiting time, in steps.
        image: what was kept of the weights.
        norms: squared norms of the weights then, `(trajectory, group)`.

    Args:
        waiting: the waiting time.
        image: what is kept; not changed by anybody.
        trajectories: how many.
        groups: how many.
    """

    def __init__(self, waiting: int, image: Sequence[Tensor], trajectories: int, groups: int) -> None:
        self.waiting, self.image = waiting, list(image)
        self.norms = np.full((trajectories, groups), np.nan)
        self._squared = np.full((trajectories, 0, groups), np.nan)
        self._measured = np.zeros(0, bool)

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of the weights."""
        return sum(value.numel() * value.element_size() for value in self.image)

    def note(self, lag: int, squares: npt.NDArray[np.float64]) -> None:
        """Note what was found.

        Args:
            lag: number of the lag.
            squares: `(trajectory, group)`.
        """
        self._make_room(lag + 1)
        self._squared[:, lag], self._measured[lag] = squares, True

    def squared(self, lags: int) -> npt.NDArray[np.float64]:
        """Sums of squares at the first so many lags, `(trajectory, lag, group)`; NaN where not measured."""
        self._make_room(lags)
        return self._squared[:, :lags]

    def missing(self, lags: int) -> int:
        """How many of the first so many lags were not measured."""
        return lags - int(self._measured[:lags].sum())

    def infinite(self, lags: int) -> int:
        """How many of the first so many lags were measured, but not finite in any trajectory."""
        known = np.isfinite(self._squared[:, :lags]).all(axis=2).any(axis=0)
        return int((self._measured[:lags] & ~known).sum())

    def state_dict(self) -> dict[str, Any]:
        """Numbers and tensors."""
        return {
            "waiting": self.waiting,
            "image": list(self.image),
            "norms": torch.tensor(self.norms),
            "squared": torch.tensor(self._squared),
            "measured": torch.tensor(self._measured),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any], like: Sequence[Tensor]) -> AnchorRow:
        """The row again.

        Args:
            state: from `state_dict`.
            like: an image of the weights as they are now, whose devices and types it takes.
        """
        image = [value.to(near) for value, near in zip(state["image"], like, strict=True)]
        row = cls(int(state["waiting"]), image, *state["norms"].shape)
        row.norms = state["norms"].numpy().copy()
        row._squared = state["squared"].numpy().copy()
        row._measured = state["measured"].numpy().copy()
        return row

    def _make_room(self, lags: int) -> None:
        size = self._measured.size
        if lags <= size:
            return
        trajectories, groups = self.norms.shape
        squared, measured = self._squared, self._measured
        room = max(lags, 2 * size, _FIRST_ROOM)
        self._squared = np.full((trajectories, room, groups), np.nan)
        self._measured = np.zeros(room, bool)
        self._squared[:, :size], self._measured[:size] = squared, measured
