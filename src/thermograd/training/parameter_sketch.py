"""A linear sketch of all parameters, a few hundred numbers that keep distances and slow directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_CHUNK_ROWS = 2048
_INCREMENT, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


class ParameterSketch:
    """CountSketch (Charikar, Chen, Farach-Colton 2002) of a list of tensors: signed sums over hashed buckets.

    E|sketch(x)|² = |x|², with relative error about √(2/buckets). Sign and bucket of an entry are functions of
    (seed, flat index) alone. Neighbouring entries fall into different buckets, so sums need no atomic
    operations and are the same every time, on a GPU too.

    Args:
        buckets: length of the sketch.
        seed: of signs and buckets.
        offset: flat index of the first entry, for one shard of many.

    >>> sketch = ParameterSketch(4, seed=0)([torch.ones(2), torch.zeros(3)])
    >>> sketch.shape, float(sketch.square().sum())
    (torch.Size([4]), 2.0)
    """

    def __init__(self, buckets: int, seed: int, offset: int = 0) -> None:
        self._buckets, self._seed, self._offset = buckets, seed, offset

    def __call__(self, tensors: Sequence[Tensor]) -> Tensor:
        """The sketch of all tensors together, on the device of the first."""
        first = tensors[0]
        dtype = wide(first)
        total = torch.zeros(self._buckets, dtype=dtype, device=first.device)
        start = self._offset
        size = self._buckets * _CHUNK_ROWS
        for tensor in tensors:
            for chunk in torch.split(tensor.reshape(-1), size):
                total += self._chunk(chunk.to(dtype), start).to(total.device)
                start += chunk.numel()
        return total

    def _chunk(self, values: Tensor, start: int) -> Tensor:
        lead = start % self._buckets
        rows = -(-(lead + values.numel()) // self._buckets)
        padded = values.new_zeros(rows * self._buckets)
        index = torch.arange(start, start + values.numel(), device=values.device)
        padded[lead : lead + values.numel()] = torch.where(mixed(index, self._seed) < 0, -values, values)
        row = torch.arange(rows, device=values.device) + start // self._buckets
        turn = mixed(row, ~self._seed).remainder(self._buckets)
        place = (torch.arange(self._buckets, device=values.device) - turn[:, None]) % self._buckets
        return padded.view(rows, self._buckets).gather(1, place).sum(0)


def mixed(index: Tensor, seed: int) -> Tensor:
    """64 well-mixed bits of each (index, seed): the finaliser of SplitMix64 (Steele, Lea, Flood 2014).

    Args:
        index: int64.
        seed: any whole number.

    Returns:
        int64 of the same shape.

    >>> mixed(torch.tensor([0, 1]), 0).tolist() == mixed(torch.tensor([0, 1]), 0).tolist()
    True
    """
    bits = index * _INCREMENT + _signed(seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15)
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def wide(tensor: Tensor) -> torch.dtype:
    """The type of sums: float64 where the device has it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def _shifted(bits: Tensor, places: int) -> Tensor:
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63
