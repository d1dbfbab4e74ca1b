"""The spread of gradients over the micro-batches of one optimiser step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thermograd.observables.plain_tensor import plain, wide


class MicroBatches:
    """Sums of the per-sample gradient trace and the squared gradient over optimiser steps.

    With k micro-batches of b samples and gradients gᵢ of mean ḡ, S = b/(k − 1) Σ|gᵢ − ḡ|² is the trace of the
    per-sample covariance and |ḡ|² − S/(kb) the squared gradient, both without bias. The gᵢ are scaled like the
    gradient the optimizer consumes.

    >>> weight = torch.zeros(1, requires_grad=True)
    >>> batches = MicroBatches(weight)
    >>> for gradient in (1.0, 4.0):  # p.grad accumulates halves of 2 and 6
    ...     weight.grad = torch.tensor([gradient])
    ...     batches.note(1, [weight.grad])
    >>> batches.end_step()
    >>> batches.packed().tolist()  # the trace, 4² − 8/2, steps
    [8.0, 12.0, 1.0]
    """

    def __init__(self, like: Tensor) -> None:
        self._sums = torch.zeros(3, dtype=wide(like), device=like.device)
        self._squares = self._sums.new_zeros(())
        self._before: dict[int, Tensor] = {}
        self.pieces, self._size = 0, 0

    def note(self, size: int, gradients: Sequence[Tensor | None]) -> None:
        """Note one micro-batch, after its `backward()`.

        Args:
            size: its samples.
            gradients: as accumulated so far.

        Raises:
            ValueError: the micro-batches of one step differ in size.
        """
        if self.pieces and size != self._size:
            message = (
                f"micro-batches of {self._size} and {size} samples in one step; they must be of equal "
                "size: use drop_last=True, or do not call micro_batch() for a smaller last one"
            )
            raise ValueError(message)
        if self.pieces == 0:
            self._before = {}
        known = {place: plain(gradient) for place, gradient in enumerate(gradients) if gradient is not None}
        # a parameter may have its first gradient in a later micro-batch
        fresh = [value - self._before[at] if at in self._before else value for at, value in known.items()]
        self._before = {at: value.clone() for at, value in known.items()}
        self._squares = self._squares + _square(fresh, self._sums)
        self.pieces, self._size = self.pieces + 1, size

    def end_step(self) -> None:
        """Take the micro-batches so far as those of one optimiser step; fewer than 2 are left out."""
        pieces, size = self.pieces, self._size
        if pieces >= 2:
            whole = _square([*self._before.values()], self._sums)
            trace = size / (pieces - 1) * (pieces**2 * self._squares - pieces * whole)
            found = torch.stack([trace, whole - trace / (pieces * size), torch.ones_like(trace)])
            self._sums = self._sums + torch.where(trace.isfinite(), found, torch.zeros_like(found))
        self.pieces = 0
        self._squares = torch.zeros_like(self._squares)

    def packed(self) -> Tensor:
        """Sum of the traces, sum of the squared gradients, number of steps, (3,)."""
        return self._sums

    def clear(self) -> None:
        """Begin the sums anew."""
        self._sums = torch.zeros_like(self._sums)

    def state_dict(self) -> dict[str, Any]:
        """What goes on bit for bit after a resume."""
        kept = {place: value.clone() for place, value in self._before.items()} if self.pieces else {}
        return {
            "sums": self._sums.clone(),
            "squares": self._squares.clone(),
            "before": kept,
            "pieces": self.pieces,
            "size": self._size,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was.

        Args:
            state: from `state_dict`.
        """
        self._sums, self._squares = state["sums"].to(self._sums), state["squares"].to(self._sums)
        self._before = {int(at): value.to(self._sums.device) for at, value in state["before"].items()}
        self.pieces, self._size = int(state["pieces"]), int(state["size"])


def _square(tensors: Sequence[Tensor], like: Tensor) -> Tensor:
    if not tensors:
        return torch.zeros((), dtype=like.dtype, device=like.device)
    norms = torch._foreach_norm(list(tensors), 2)
    return torch.stack([norm.to(like) for norm in norms]).square().sum()
