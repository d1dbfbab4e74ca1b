"""The tensors whose way is followed: held by reference, and found to be the same ones at every look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermograd.observables.plain_tensor import plain

_ORDINARY = (Tensor, torch.nn.Parameter)


class TrackedParameters:
    """Names and shapes of the parameters that were given, and their values now.

    Attributes:
        names: of the tensors.
        shapes: of the tensors, without the axis of trajectories.
        rows: the number of trajectories along a leading axis; None where there is no such axis.

    Args:
        parameters: a dict of tensors by name, or pairs of name and tensor, or tensors.
        trajectories: their number, or their numbers.

    Raises:
        ValueError: no parameters, no real or complex tensors, or another number of trajectories; names them.

    >>> TrackedParameters([torch.zeros(2), torch.zeros(3, 4)]).shapes
    ((2,), (3, 4))
    """

    def __init__(self, parameters: Any, trajectories: int | Sequence[int] | None = None) -> None:
        self._held = parameters if isinstance(parameters, Mapping) else named(parameters)
        self.rows = _rows(trajectories)
        for name, value in self._held.items():
            if not isinstance(value, Tensor) or not (value.is_floating_point() or value.is_complex()):
                kind = f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
                message = f"{name!r} is {kind}; parameters are tensors of real or complex numbers"
                raise ValueError(message)
        if not self._held:
            message = "there are no parameters to follow; give dict(model.named_parameters())"
            raise ValueError(message)
        values = self._values(self._held)
        without = [f"{name}: {tuple(value.shape)}" for name, value in values.items() if self._no_rows(value)]
        if without:
            message = f"the first axis is that of the {self.rows} trajectories; got {', '.join(without)}"
            raise ValueError(message)
        self.names = tuple(values)
        self._full = [value.shape for value in values.values()]
        lead = 0 if self.rows is None else 1
        self.shapes = tuple(tuple(shape[lead:]) for shape in self._full)
        self.eps = max(torch.finfo(value.dtype).eps for value in values.values())

    def now(self, parameters: Any = None) -> list[Tensor]:
        """The values, in the order of `names`.

        Args:
            parameters: to be read instead of those held.

        Raises:
            ValueError: names or shapes are not those of the start; lists them.
        """
        given = self._held if parameters is None else parameters
        values = self._values(given if isinstance(given, Mapping) else named(given))
        shapes = [value.shape for value in values.values()]
        if tuple(values) != self.names or shapes != self._full:
            raise ValueError(self._difference({name: tuple(value.shape) for name, value in values.items()}))
        return list(values.values())

    def _values(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            str(name): value
            if type(value) in _ORDINARY and not value.is_complex() and not value.is_sparse
            else plain(value)
            for name, value in parameters.items()
        }

    def _no_rows(self, value: Tensor) -> bool:
        return self.rows is not None and (not value.ndim or value.shape[0] != self.rows)

    def _difference(self, found: dict[str, tuple[int, ...]]) -> str:
        before = {name: tuple(shape) for name, shape in zip(self.names, self._full, strict=True)}
        changes = [
            *(f"{name}: {shape} then, absent now" for name, shape in before.items() if name not in found),
            *(f"{name}: absent then, {shape} now" for name, shape in found.items() if name not in before),
            *(
                f"{name}: {before[name]} then, {shape} now"
                for name, shape in found.items()
                if before.get(name, shape) != shape
            ),
        ]
        what = "; ".join(changes) or "the order of the names"
        return f"the parameters are not those of the start: {what}. Start another tracker for them"


def named(parameters: Any) -> dict[str, Tensor]:
    """Parameters by name; by their number where they have none.

    Args:
        parameters: pairs of name and tensor, or tensors.

    Raises:
        ValueError: neither.

    >>> list(named([torch.zeros(1), torch.zeros(1)]))
    ['0', '1']
    """
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        message = f"parameters is {type(parameters).__name__}; give dict(model.named_parameters())"
        raise ValueError(message)
    entries = list(parameters)
    if all(isinstance(entry, tuple) and len(entry) == 2 for entry in entries):
        return dict(entries)
    return {str(place): entry for place, entry in enumerate(entries)}


def _rows(trajectories: int | Sequence[int] | None) -> int | None:
    if trajectories is None:
        return None
    whole = isinstance(trajectories, int | np.integer) and not isinstance(trajectories, bool)
    listed = isinstance(trajectories, Sequence | np.ndarray) and not isinstance(trajectories, str)
    count = int(trajectories) if whole else len(trajectories) if listed else 0  # type: ignore[arg-type]  # as was just seen
    if count < 1:
        message = f"trajectories is {trajectories!r}; give their number, 1 or larger, or their numbers"
        raise ValueError(message)
    return count
