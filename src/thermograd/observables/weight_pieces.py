"""In which pieces a list of tensors is looked at: few, and none of them large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from thermograd.observables.parameter_groups import ParameterGroup

_LARGEST = 1 << 20


class WeightPiece(NamedTuple):
    """Several small tensors end to end, or one tensor, or a part of a large one.

    Attributes:
        places: of the tensors.
        size: numbers in it, per trajectory.
        cut: which columns, if it is of one tensor.
    """

    places: tuple[int, ...]
    size: int
    cut: slice | None


def weight_pieces(
    weights: Sequence[Tensor], groups: Sequence[ParameterGroup], rows: int, largest: int = _LARGEST
) -> list[WeightPiece]:
    """Pieces of at most about a million numbers, each within one group and of one type and device.

    Args:
        weights: the tensors.
        groups: of tensors; every one that has a tensor of a piece has all of them.
        rows: trajectories along a leading axis of each.
        largest: the most numbers in a piece, over all trajectories.

    >>> import torch
    >>> tensors = [torch.zeros(1, size) for size in (3, 2, 9, 1)]
    >>> together = [ParameterGroup("all", (0, 1, 2, 3))]
    >>> [(piece.places, piece.size) for piece in weight_pieces(tensors, together, 1, largest=5)]
    [((0, 1), 5), ((2,), 5), ((2,), 4), ((3,), 1)]
    """
    width = max(1, largest // rows)
    sizes = [value.numel() // rows for value in weights]
    kinds = [
        (value.dtype, value.device, [place in group.places for group in groups])
        for place, value in enumerate(weights)
    ]
    found: list[WeightPiece] = []
    for place, size in enumerate(sizes):
        last = (
            found[-1] if place and sizes[place - 1] <= width else None
        )  # the end of a cut tensor stays alone
        if last is not None and kinds[place - 1] == kinds[place] and last.size + size <= width:
            found[-1] = WeightPiece((*last.places, place), last.size + size, None)
            continue
        starts = range(0, max(size, 1), width)
        found += [
            WeightPiece((place,), min(width, size - start), slice(start, start + width)) for start in starts
        ]
    return found
