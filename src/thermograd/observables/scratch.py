"""Room for intermediate results that is used again, since fresh memory costs more than the arithmetic in it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Scratch:
    """One buffer per purpose, type and device, as large as the largest that was asked for.

    >>> scratch = Scratch()
    >>> first = scratch.room("sum", (2, 3), torch.zeros(1))
    >>> first.data_ptr() == scratch.room("sum", (6,), torch.zeros(1)).data_ptr()
    True
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def room(
        self, purpose: str, shape: tuple[int, ...], like: Tensor, dtype: torch.dtype | None = None
    ) -> Tensor:
        """A tensor of any content, until the next call for the same purpose.

        Args:
            purpose: which buffer.
            shape: of the tensor.
            like: whose device, and type, it takes.
            dtype: instead of that type.
        """
        key, size = (purpose, dtype or like.dtype, like.device), math.prod(shape)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < size:
            buffer = self._buffers[key] = torch.empty(size, dtype=key[1], device=like.device)
        return buffer[:size].view(shape)
