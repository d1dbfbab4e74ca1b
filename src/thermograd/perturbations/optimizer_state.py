"""What happens to the optimizer's state when weights lose their meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from thermograd.protocols import State

_PREFIX = "optimizer/"


def cleared(state: State) -> State:
    """The state with every `optimizer/` entry zero.

    >>> cleared({"optimizer/momentum_buffer/w": torch.ones(2), "buffers/mean": torch.ones(1)})
    {'optimizer/momentum_buffer/w': tensor([0., 0.]), 'buffers/mean': tensor([1.])}
    """
    return {
        name: torch.zeros_like(value) if name.startswith(_PREFIX) else value for name, value in state.items()
    }


def cleared_where(state: State, parameter: str, mask: torch.Tensor) -> State:
    """The state with the optimizer entries of one parameter zero where `mask` is true."""
    return {
        name: value.masked_fill(mask, 0)
        if name.startswith(_PREFIX) and name.endswith(f"/{parameter}") and value.shape == mask.shape
        else value
        for name, value in state.items()
    }
