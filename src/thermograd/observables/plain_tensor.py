"""What is read of a tensor, whatever kind it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def plain(tensor: Tensor) -> Tensor:
    """A detached, real, dense, local view of a tensor.

    >>> plain(torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))).shape
    torch.Size([2, 2])
    """
    local: Any = tensor.to_local() if is_distributed(tensor) else tensor  # type: ignore[attr-defined]  # DTensor
    local = local.detach().to_dense() if local.is_sparse else local.detach()
    found: Tensor = torch.view_as_real(local) if local.is_complex() else local
    return found


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is spread over ranks, as a DTensor."""
    return callable(getattr(tensor, "to_local", None))


def wide(tensor: Tensor) -> torch.dtype:
    """The type of sums: float64 where the device has it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
