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

if TYPE_CHECKING:
    from thermograd.observables.two_time_displacement import TwoTimeDisplacement


class AnchorImage(Protocol):
    """Squared distances from what was kept; `groups` say which of them belong together."""

    @property
    def groups(self) -> tuple[ParameterGroup, ...]:
        """Of places along the last axis of `squares`."""

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The image of the weights; not a copy."""

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """The image, so that it stays when the weights move on."""

    def squares(self, image: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
        """Squared differences, `(trajectory, part)` in float64."""

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """Squared norms, exact, of the same parts."""


class Weights:
    """The weights themselves.

    Args:
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
    """

    def __init__(self, groups: tuple[ParameterGroup, ...], rows: int | None) -> None:
        self.groups, self._rows = groups, rows

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights."""
        return list(weights)

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """A copy."""
        return [value.clone() for value in image]

    def squares(self, image: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
        """One sum of squares per tensor: differences in the weights' own type, sums in float64."""
        return self._summed(torch._foreach_sub(_single(image), _single(kept)))

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One squared norm per tensor."""
        del image
        return self._summed(weights)

    def _summed(self, values: Sequence[Tensor]) -> Tensor:
        flat = [value.reshape(self._rows or 1, -1) for value in values]
        norms = [torch.linalg.vector_norm(value, dim=1, dtype=wide(value)) for value in flat]
        return torch.stack([norm.to(norms[0].device) for norm in norms], 1).square()


class Sketches:
    """A sketch of the weights of each group.

    Args:
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
        size: numbers kept per group.
        seed: of the sketches.
    """

    def __init__(self, groups: tuple[ParameterGroup, ...], rows: int | None, size: int, seed: int) -> None:
        self._members, self._weights, self._rows = groups, Weights(groups, rows), rows
        self.groups = tuple(ParameterGroup(group.name, (place,)) for place, group in enumerate(groups))
        seeds = mixed(torch.arange(len(groups)), seed).tolist()
        self._sketches = [ParameterSketch(size, number, remember=True) for number in seeds]

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """One sketch per group, `(trajectory, k)`."""
        return [
            sketch([weights[place] for place in group.places], self._rows or 1)
            for sketch, group in zip(self._sketches, self._members, strict=True)
        ]

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """The sketches."""
        return list(image)

    def squares(self, image: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
        """One squared distance per group."""
        return torch.stack([(now - then).square().sum(1) for now, then in zip(image, kept, strict=True)], 1)

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One squared norm per group, of the weights and not of their sketch."""
        del image
        tensors = self._weights.norms(weights, weights)
        return torch.stack([tensors[:, list(group.places)].sum(1) for group in self._members], 1)


class Directions:
    """The weights, and their components along some directions.

    Args:
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
        directions: (P, k), orthonormal columns.
    """

    def __init__(
        self, groups: tuple[ParameterGroup, ...], rows: int | None, directions: npt.NDArray[np.float64]
    ) -> None:
        self._weights, self._rows, self._directions = Weights(groups, rows), rows, directions
        tensors = len(groups[0].places)
        along = range(directions.shape[1])
        self.groups = (*groups, *(ParameterGroup(f"direction {j}", (tensors + j,)) for j in along))

    def of(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The weights, then their components `(trajectory, k)`."""
        flat = torch.cat([value.reshape(self._rows or 1, -1) for value in weights], 1)
        columns = torch.from_numpy(self._directions).to(flat.device, wide(flat))
        return [*weights, flat.to(columns.dtype) @ columns]

    def kept(self, image: Sequence[Tensor]) -> list[Tensor]:
        """A copy of the weights, and the components."""
        return [*self._weights.kept(image[:-1]), image[-1]]

    def squares(self, image: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
        """One sum of squares per tensor, then one square per direction."""
        tensors = self._weights.squares(image[:-1], kept[:-1])
        return torch.cat([tensors, (image[-1] - kept[-1]).square()], 1)

    def norms(self, weights: Sequence[Tensor], image: Sequence[Tensor]) -> Tensor:
        """One squared norm per tensor, then one squared component per direction."""
        return torch.cat([self._weights.norms(weights, weights), image[-1].square()], 1)


def image_of(
    settings: TwoTimeDisplacement, groups: tuple[ParameterGroup, ...], rows: int | None, size: int
) -> AnchorImage:
    """What is kept at the anchors of a tracker.

    Args:
        settings: of the tracker.
        groups: of tensors.
        rows: trajectories along a leading axis, or None.
        size: number of parameters.

    Raises:
        ValueError: directions for another number of parameters.
    """
    if settings.sketch is not None:
        return Sketches(groups, rows, settings.sketch, settings.seed)
    if settings.directions is None:
        return Weights(groups, rows)
    if len(settings.directions) != size:
        message = f"directions has {len(settings.directions)} rows; there are {size} parameters"
        raise ValueError(message)
    return Directions(groups, rows, settings.directions)


def _single(values: Sequence[Tensor]) -> list[Tensor]:
    """In single precision at least."""
    return [value.float() if value.element_size() < 4 else value for value in values]
