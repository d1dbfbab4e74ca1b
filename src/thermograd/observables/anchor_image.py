"""What is kept of the weights at an anchor: all of them, a sketch of each group, or some directions beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thermograd.observables.parameter_groups import ParameterGroup
from thermograd.observables.parameter_sketch import ParameterSketch, mixed
from thermograd.observables.plain_tensor import wide
from thermograd.observables.scratch import Scratch
from thermograd.observables.weight_pieces import WeightPiece, weight_pieces

if TYPE_CHECKING:
    from thermograd.observables.two_time_displacement import TwoTimeDisplacement


class AnchorImage(Protocol):
    """Distances from what was kept, in parts; `groups` say which parts belong together."""

    @property
    def groups(self) -> tuple[ParameterGroup, ...]:
        """Of parts."""

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The image of the weights, each `(trajectory, numbers)`; parts of it may be the weights themselves."""

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """The image, so that it stays when the weights move on."""

    def distances(self, image: Sequence[Tensor], kept: Sequence[Sequence[Tensor]]) -> Tensor:
        """Distances from each of several images, `(image, trajectory, part)` in float64."""

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """Norms of the weights, exact, `(1, trajectory, part)`."""


class Weights:
    """The weights themselves: small neighbours of one group end to end, large tensors cut.

    Args:
        weights: any of the tensors' shapes, types and devices.
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
    """

    def __init__(
        self, weights: Sequence[Tensor], groups: tuple[ParameterGroup, ...], rows: int | None
    ) -> None:
        self._rows, self._scratch = rows or 1, Scratch()
        self._pieces = weight_pieces(weights, groups, self._rows)
        owners: dict[int, list[int]] = {}
        for number, piece in enumerate(self._pieces):
            for place in piece.places:
                owners.setdefault(place, []).append(number)
        self.groups = tuple(
            ParameterGroup(group.name, tuple(sorted({n for place in group.places for n in owners[place]})))
            for group in groups
        )

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self._pieces)

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights."""
        return [value.reshape(self._rows, -1) for value in weights]

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """A copy of each piece."""
        return [self._joined(piece, image).clone() for piece in self._pieces]

    def distances(self, image: Sequence[Tensor], kept: Sequence[Sequence[Tensor]]) -> Tensor:
        """One per piece: differences in the weights' own type, squares summed in float64."""
        parts = []
        for number, piece in enumerate(self._pieces):
            now = _single(self._joined(piece, image))
            room = self._scratch.room("difference", tuple(now.shape), now)
            parts += [self._norm(torch.sub(now, _single(one[number]), out=room)) for one in kept]
        return _stacked(parts).view(len(self._pieces), len(kept), self._rows).permute(1, 2, 0)

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One per piece."""
        del weights
        return _stacked([self._norm(self._joined(piece, image)) for piece in self._pieces]).T[None]

    def _joined(self, piece: WeightPiece, flat: Sequence[Tensor]) -> Tensor:
        if piece.cut is not None:
            return flat[piece.places[0]][:, piece.cut]
        columns = [flat[place] for place in piece.places]
        room = self._scratch.room("joined", (self._rows, piece.size), columns[0])
        return torch.cat(columns, 1, out=room)

    def _norm(self, value: Tensor) -> Tensor:
        exact = self._scratch.room("exact", tuple(value.shape), value, wide(value)).copy_(value)
        found: Tensor = torch.linalg.vector_norm(exact, dim=1)  # the same with dtype= takes fresh memory
        return found


class Sketches:
    """A sketch of the weights of each group.

    Args:
        weights: any of the tensors' shapes, types and devices.
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
        size: numbers kept per group.
        seed: of the sketches.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        groups: tuple[ParameterGroup, ...],
        rows: int | None,
        *,
        size: int,
        seed: int,
    ) -> None:
        self._members, self._weights, self._rows = groups, Weights(weights, groups, rows), rows or 1
        self.groups = tuple(ParameterGroup(group.name, (place,)) for place, group in enumerate(groups))
        seeds = mixed(torch.arange(len(groups)), seed).tolist()
        self._sketches = [ParameterSketch(size, number, remember=True) for number in seeds]

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """One sketch per group, `(trajectory, k)`."""
        return [
            sketch([weights[place] for place in group.places], self._rows)
            for sketch, group in zip(self._sketches, self._members, strict=True)
        ]

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """The sketches."""
        return list(image)

    def distances(self, image: Sequence[Tensor], kept: Sequence[Sequence[Tensor]]) -> Tensor:
        """One per group."""
        then = [torch.stack(images) for images in zip(*kept, strict=True)]
        apart = [old.sub_(now) for now, old in zip(image, then, strict=True)]
        return torch.stack([torch.linalg.vector_norm(value, dim=2) for value in apart], 2)

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One per group, of the weights and not of their sketch."""
        del image
        squares = self._weights.norms(weights, self._weights.of(weights)).square()
        sums = [squares[..., list(group.places)].sum(-1) for group in self._weights.groups]
        return torch.stack(sums, 2).sqrt()


class Directions:
    """The weights, and their components along some directions.

    Args:
        weights: any of the tensors' shapes, types and devices.
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
        directions: (P, k), orthonormal columns.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        groups: tuple[ParameterGroup, ...],
        rows: int | None,
        directions: npt.NDArray[np.float64],
    ) -> None:
        self._weights, self._rows, self._directions = Weights(weights, groups, rows), rows or 1, directions
        parts = self._weights.parts
        along = range(directions.shape[1])
        self.groups = (
            *self._weights.groups,
            *(ParameterGroup(f"direction {j}", (parts + j,)) for j in along),
        )

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights, then their components `(trajectory, k)`."""
        flat = torch.cat([value.reshape(self._rows, -1) for value in weights], 1)
        columns = torch.from_numpy(self._directions).to(flat.device, wide(flat))
        return [*self._weights.of(weights), flat.to(columns.dtype) @ columns]

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """A copy of the weights, and the components."""
        return [*self._weights.kept(image[:-1]), image[-1]]

    def distances(self, image: Sequence[Tensor], kept: Sequence[Sequence[Tensor]]) -> Tensor:
        """One per piece of weights, then one difference of components per direction."""
        weights = self._weights.distances(image[:-1], [one[:-1] for one in kept])
        return torch.cat([weights, image[-1] - torch.stack([one[-1] for one in kept])], 2)

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One per piece of weights, then one component per direction."""
        return torch.cat([self._weights.norms(weights, image[:-1]), image[-1][None]], 2)


def image_of(
    settings: TwoTimeDisplacement,
    weights: Sequence[Tensor],
    groups: tuple[ParameterGroup, ...],
    rows: int | None,
) -> AnchorImage:
    """What is kept at the anchors of a tracker.

    Args:
        settings: of the tracker.
        weights: the tensors.
        groups: of tensors.
        rows: trajectories along a leading axis, or None.

    Raises:
        ValueError: directions for another number of parameters.
    """
    if settings.sketch is not None:
        return Sketches(weights, groups, rows, size=settings.sketch, seed=settings.seed)
    if settings.directions is None:
        return Weights(weights, groups, rows)
    size = sum(value.numel() for value in weights) // (rows or 1)
    if len(settings.directions) != size:
        message = f"directions has {len(settings.directions)} rows; there are {size} parameters"
        raise ValueError(message)
    return Directions(weights, groups, rows, settings.directions)


def _single(value: Tensor) -> Tensor:
    """In single precision at least."""
    return value.float() if value.element_size() < 4 else value


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    device = parts[0].device
    return torch.stack([part if part.device == device else part.to(device) for part in parts])
