"""Where the weights are at the end of a block: distances to two anchors, norm, overlap with the velocity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.observables.plain_tensor import wide

FIELDS = ("distance", "older_distance", "norm", "overlap", "older_overlap", "origin_overlap")


class AnchoredPositions:
    """Keeps the weights at the two newest anchors, and measures from there.

    >>> positions = AnchoredPositions()
    >>> positions.drop_anchor(5, [torch.zeros(2)])
    >>> positions.measure([torch.tensor([3.0, 4.0])], [None])[:3, 0].tolist()  # squares
    [25.0, nan, 25.0]
    """

    def __init__(self) -> None:
        self._anchors: list[tuple[int, list[Tensor]]] = []

    @property
    def steps(self) -> tuple[int, int]:
        """Steps of the anchors, newest first; −1 where there is none."""
        steps = [step for step, _ in self._anchors] + [-1, -1]
        return steps[0], steps[1]

    def drop_anchor(self, step: int, weights: Sequence[Tensor]) -> None:
        """Keep the weights; the oldest anchor but one is forgotten.

        Args:
            step: at which they are.
            weights: one tensor per parameter.
        """
        self._anchors = [(step, [value.clone() for value in weights]), *self._anchors[:1]]

    def clear(self) -> None:
        """Forget the anchors."""
        self._anchors = []

    def measure(self, weights: Sequence[Tensor], velocities: Sequence[Tensor | None]) -> Tensor:
        """Squares and overlaps per tensor.

        Args:
            weights: now.
            velocities: v, where the relation has a term (θ − c)·v; else None.

        Returns:
            (6, tensors), in the order of `FIELDS`; NaN about an anchor that is not there.
        """
        kept = [anchor for _, anchor in self._anchors]
        device, dtype = weights[0].device, wide(weights[0])
        rows = torch.full((len(FIELDS), len(weights)), torch.nan, dtype=dtype, device=device)
        for place, (value, velocity) in enumerate(zip(weights, velocities, strict=True)):
            rows[2, place] = value.to(dtype).square().sum()
            rows[5, place] = 0.0 if velocity is None else _overlap(value, velocity, dtype)
            for age, anchor in enumerate(kept):
                away = value.to(dtype) - anchor[place].to(dtype)
                rows[age, place] = away.square().sum()
                rows[3 + age, place] = 0.0 if velocity is None else _overlap(away, velocity, dtype)
        return rows

    def state_dict(self) -> dict[str, Any]:
        """Steps and weights of the anchors."""
        return {
            "steps": [step for step, _ in self._anchors],
            "weights": [[value.clone() for value in anchor] for _, anchor in self._anchors],
        }

    def load_state_dict(self, state: dict[str, Any], like: Sequence[Tensor]) -> None:
        """Take over the anchors of another.

        Args:
            state: from `state_dict`.
            like: weights on whose devices they are to be.
        """
        self._anchors = [
            (int(step), [kept.to(value.device) for kept, value in zip(anchor, like, strict=True)])
            for step, anchor in zip(state["steps"], state["weights"], strict=True)
        ]


def _overlap(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    return (left.to(dtype) * right.to(dtype)).sum()
