"""A linear sketch of all parameters, a few hundred numbers that keep distances and slow directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from thermograd.observables.plain_tensor import wide
from thermograd.observables.scratch import Scratch

_CHUNK_ROWS = 2048
_INCREMENT, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


class ParameterSketch:
    """CountSketch (Charikar, Chen, Farach-Colton 2002) of a list of tensors: signed sums over hashed buckets.

    E|sketch(x)|² = |x|², with Var / |x|⁴ = 2 Σ_{i≠j} x_i² x_j² Pr(same bucket) / |x|⁴ ≤ 2/buckets over the seeds. Sign and
    bucket of an entry are functions of (seed, flat index) alone. Of every `buckets` neighbouring entries each falls into
    another bucket: no more entries than buckets are kept exactly, and sums need no atomic operations and are the same every
    time, on a GPU too. Sums are in float64: a displacement of 10⁻⁵ of the norm does not drown in cancellation.

    Args:
        buckets: length of the sketch.
        seed: of signs and buckets.
        offset: flat index of the first entry, for one shard of many.
        remember: keep where each entry goes, 4 bytes per parameter, for a sketch that is taken often.

    >>> sketch = ParameterSketch(4, seed=0)([torch.ones(2), torch.zeros(3)])
    >>> sketch.shape, float(sketch.square().sum())
    (torch.Size([4]), 2.0)
    """

    def __init__(self, buckets: int, seed: int, offset: int = 0, *, remember: bool = False) -> None:
        self._buckets, self._seed, self._offset = buckets, seed, offset
        self._scratch = Scratch()
        self._remembered: dict[tuple[int, int, torch.device], Tensor] | None = {} if remember else None

    def __call__(self, tensors: Sequence[Tensor], rows: int | None = None) -> Tensor:
        """The sketch of all tensors together, on the device of the first.

        Args:
            tensors: any shapes.
            rows: with it, all tensors have this leading axis, and so has the result, one sketch per row.
        """
        first, count = tensors[0], rows or 1
        dtype = wide(first)
        total: Tensor | None = None
        start = self._offset
        flat = [tensor.reshape(count, -1) for tensor in tensors]
        for pieces in _chunks(flat, self._buckets * _CHUNK_ROWS):
            size, device = sum(piece.shape[1] for piece in pieces), pieces[0].device
            # each bucket finds its entries, with their signs, among x, −x and the zero that fills up
            signed = self._scratch.room("signed", (count, 2 * size + 1), pieces[0])
            plus = torch.cat(pieces, 1, out=signed[:, :size])
            torch.neg(plus, out=signed[:, size:-1])
            signed[:, -1] = 0
            order = self._order(start, size, device)
            placed = self._scratch.room("placed", (count, len(order)), signed)
            torch.index_select(signed, 1, order, out=placed)
            exact = self._scratch.room("exact", (count, len(order)), signed, dtype).copy_(placed)
            part = exact.view(count, -1, self._buckets).sum(1)
            if self._remembered is None:
                self._scratch = Scratch()
            total = part if total is None else total + part.to(first.device)
            start += size
        assert total is not None
        return total if rows else total[0]

    def _order(self, start: int, count: int, device: torch.device) -> Tensor:
        if self._remembered is None:
            return self._ordered(start, count, device)
        key = (start, count, device)
        if key not in self._remembered:
            self._remembered[key] = self._ordered(start, count, device)
        return self._remembered[key]

    def _ordered(self, start: int, count: int, device: torch.device) -> Tensor:
        """Which of (x, −x, 0) goes where: row after row, in each row one entry per bucket."""
        lead = start % self._buckets
        rows = -(-(lead + count) // self._buckets)
        row = torch.arange(rows, device=device)
        turn = mixed(row + start // self._buckets, ~self._seed).remainder(self._buckets)
        place = (torch.arange(self._buckets, device=device) - turn[:, None]) % self._buckets
        entry = (place + row[:, None] * self._buckets - lead).view(-1)
        signed = torch.where(mixed(entry + start, self._seed) < 0, entry + count, entry)
        return torch.where((entry >= 0) & (entry < count), signed, 2 * count).to(torch.int32)


def _chunks(flat: Sequence[Tensor], size: int) -> Iterator[list[Tensor]]:
    """The columns of all tensors in their order, of one type and device and at most `size` at once."""
    gathered: list[Tensor] = []
    room = size
    for tensor in flat:
        for piece in torch.split(tensor, size, 1) if tensor.shape[1] > size else (tensor,):
            alike = not gathered or (piece.dtype, piece.device) == (gathered[0].dtype, gathered[0].device)
            if gathered and (piece.shape[1] > room or not alike):
                yield gathered
                gathered, room = [], size
            gathered.append(piece)
            room -= piece.shape[1]
    if gathered:
        yield gathered


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


def _shifted(bits: Tensor, places: int) -> Tensor:
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63
