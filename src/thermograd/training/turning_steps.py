"""How far neighbouring steps turn: two that follow one line have no noise between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.training.update_norms import UpdateNorms


class TurningSteps:
    """Σ|Δ₂ − Δ₁|² and Σ|Δ₂ + Δ₁|² over one pair of neighbouring steps a block.

    Args:
        tensors: how many tensors.
        like: a tensor whose device and type the norms take.

    >>> steps = TurningSteps(1, torch.zeros(1))
    >>> steps.midway([torch.tensor([1.0])])
    >>> steps.end([torch.tensor([0.0])], [torch.tensor([3.0])])  # of 1 and then of 2
    >>> steps.packed().tolist()
    [1.0, 9.0]
    """

    def __init__(self, tensors: int, like: Tensor) -> None:
        self._apart, self._along = UpdateNorms(tensors, like), UpdateNorms(tensors, like)
        self._midway: list[Tensor] | None = None

    def midway(self, weights: Sequence[Tensor]) -> None:
        """Copy the weights between the two steps; once a block.

        Args:
            weights: after the first.
        """
        self._midway = None if self._apart.measured else [weight.clone() for weight in weights]

    def end(self, before: Sequence[Tensor], whole: Sequence[Tensor]) -> None:
        """Measure the pair, if its middle is known.

        Args:
            before: weights before the first step.
            whole: displacement over both.
        """
        if self._midway is None:
            return
        twice = torch._foreach_mul(torch._foreach_sub(self._midway, list(before)), 2)
        self._apart.add(torch._foreach_sub(list(whole), twice))
        self._along.add(whole)
        self._midway = None

    def packed(self) -> Tensor:
        """Both sums, (2,)."""
        return torch.stack([norms.packed()[:-2].sum() for norms in (self._apart, self._along)])

    def clear(self) -> None:
        """Begin a new block; a pair that has begun goes on."""
        self._apart.clear()
        self._along.clear()

    def state_dict(self) -> dict[str, Any]:
        """What goes on bit for bit after a resume."""
        midway = [] if self._midway is None else [weight.clone() for weight in self._midway]
        return {"apart": self._apart.state_dict(), "along": self._along.state_dict(), "midway": midway}

    def load_state_dict(self, state: dict[str, Any], weights: Sequence[Tensor]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
            weights: of now, for their devices.
        """
        self._apart.load_state_dict(state["apart"])
        self._along.load_state_dict(state["along"])
        kept = [value.to(weight.device) for value, weight in zip(state["midway"], weights, strict=False)]
        self._midway = kept or None
