"""Whether tensors still hold what they held: a change through `.data` leaves no other trace."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KeptValues:
    """Copies of some tensors, to compare with.

    >>> weight, kept = torch.ones(2, requires_grad=True), KeptValues()
    >>> kept.still_those_of([weight]), kept.still_those_of([weight])  # nothing was known at first
    (False, True)
    >>> _ = weight.data.mul_(3)
    >>> weight._version, kept.still_those_of([weight])
    (0, False)
    """

    def __init__(self) -> None:
        self._kept: list[Tensor] = []

    def still_those_of(self, tensors: Sequence[Tensor]) -> bool:
        """Whether these tensors hold what they held at the last call; copies are taken anew if not.

        Args:
            tensors: the same ones each time.
        """
        now = [value.detach() for value in tensors]
        known = self._kept
        alike = len(now) == len(known) and all(
            new.shape == old.shape and new.device == old.device and torch.equal(new, old)
            for new, old in zip(now, known, strict=True)
        )
        if not alike:
            self._kept = [value.clone() for value in now]
        return alike

    def clear(self) -> None:
        """Forget the copies."""
        self._kept = []
