"""Which parameters are reported together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

GROUPINGS = ("all", "layer", "tensor")


class ParameterGroup(NamedTuple):
    """A name, and the places of its tensors."""

    name: str
    places: tuple[int, ...]


def parameter_groups(names: Sequence[str], by: str) -> tuple[ParameterGroup, ...]:
    """All parameters, then those of each layer or each tensor, in the order of the names.

    Args:
        names: of the tensors, as `named_parameters()` gives them.
        by: "all", "layer" (what stands before the last dot of a name, or the name) or "tensor".

    >>> [(group.name, group.places) for group in parameter_groups(["0.weight", "0.bias", "2.weight"], "layer")]
    [('all', (0, 1, 2)), ('0', (0, 1)), ('2', (2,))]
    """
    everything = ParameterGroup("all", tuple(range(len(names))))
    if by == "all":
        return (everything,)
    owners: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        layer = name.rpartition(".")[0] or name
        owners.setdefault(layer if by == "layer" else name, []).append(place)
    return (everything, *(ParameterGroup(name, tuple(places)) for name, places in owners.items()))


def summed(parts: npt.NDArray[Any], groups: Sequence[ParameterGroup]) -> npt.NDArray[np.float64]:
    """Sums over the members of each group, along the last axis; a NaN stays in the groups it belongs to.

    Args:
        parts: one number per tensor on the last axis.
        groups: of places on it.
    """
    return np.stack([parts[..., list(group.places)].sum(-1) for group in groups], -1)
