"""Squared norms of many updates, summed on the device and read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.observables.plain_tensor import wide

_ROWS = 512


class UpdateNorms:
    """Sums over measured steps of the squared norm of each tensor's update.

    A step writes one row of norms, and nothing is read from the device until `packed`. The sums are of rows of
    512, so they do not depend on when they were saved.

    Args:
        tensors: how many tensors.
        like: a tensor whose device and type the rows take; float64 if any of the tensors is.

    >>> norms = UpdateNorms(2, torch.zeros(1))
    >>> norms.add([torch.tensor([3.0, 4.0]), torch.tensor([1.0])])
    >>> norms.packed().tolist()  # the sums, steps in which anything moved, first step that was not finite
    [25.0, 1.0, 1.0, -1.0]
    """

    def __init__(self, tensors: int, like: Tensor) -> None:
        dtype = like.dtype if like.dtype in {torch.float32, torch.float64} else torch.float32
        self._rows = torch.zeros(_ROWS, tensors, dtype=dtype, device=like.device)
        self._total = torch.zeros(tensors + 2, dtype=wide(like), device=like.device)
        self._total[-1] = -1
        self._filled, self._flushed = 0, 0
        self._zero = torch.zeros((), dtype=dtype, device=like.device)

    def add(self, updates: Sequence[Tensor | None]) -> None:
        """Measure one step.

        Args:
            updates: one tensor each; None for what was not updated.
        """
        moved = [update for update in updates if update is not None]
        norms = iter(torch._foreach_norm(moved, 2, dtype=self._rows.dtype) if moved else ())
        row = [self._zero if update is None else next(norms) for update in updates]
        self.add_norms(row)

    def add_norms(self, norms: Sequence[Tensor]) -> None:
        """Note the norms of one step.

        Args:
            norms: one 0-d tensor each.
        """
        device = self._rows.device
        near = [norm if norm.device == device else norm.to(device) for norm in norms]
        torch.stack(near, out=self._rows[self._filled])
        self._filled += 1
        if self._filled == _ROWS:
            self._total = self.packed()
            self._flushed += _ROWS
            self._filled = 0

    @property
    def measured(self) -> int:
        """How many steps were measured."""
        return self._flushed + self._filled

    def packed(self) -> Tensor:
        """The sums, then the number of steps in which anything moved, then the first that was not finite or −1."""
        rows = self._rows[: self._filled].to(self._total.dtype)
        if not self._filled:
            return self._total.clone()
        whole = rows.sum(1)
        bad = ~whole.isfinite()
        first = torch.where(bad.any(), bad.to(torch.int32).argmax() + self._flushed, -1)
        first = torch.where(self._total[-1] >= 0, self._total[-1], first.to(self._total.dtype))
        moved = (whole != 0).sum() + self._total[-2]
        return torch.cat([self._total[:-2] + rows.square().sum(0), moved[None], first[None]])

    def clear(self) -> None:
        """Begin anew."""
        self._total.zero_()
        self._total[-1] = -1
        self._filled, self._flushed = 0, 0

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on bit for bit."""
        return {
            "rows": self._rows[: self._filled].clone(),
            "total": self._total.clone(),
            "flushed": self._flushed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
        """
        self._filled, self._flushed = len(state["rows"]), int(state["flushed"])
        self._rows[: self._filled] = state["rows"]
        self._total.copy_(state["total"])
