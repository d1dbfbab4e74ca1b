"""One step of every stride, at a place drawn anew: a fixed one would alias with the epoch."""

from __future__ import annotations

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class RandomStride:
    """Says which steps are due; it depends on (seed, step) alone.

    Args:
        seed: any whole number.
        every: length of a stride.

    >>> stride = RandomStride(seed=0, every=5)
    >>> [sum(stride.due(step) for step in range(first, first + 5)) for first in (0, 5, 10)]
    [1, 1, 1]
    """

    def __init__(self, seed: int, every: int) -> None:
        self._seed, self._every = seed, every
        self._stride, self._at = -1, 0

    def due(self, step: int) -> bool:
        """Whether the step is the one of its stride.

        Args:
            step: 0 or larger.
        """
        return self.next(step) == step

    def next(self, step: int) -> int:
        """The first step from `step` on that is due.

        Args:
            step: 0 or larger.
        """
        if self._every == 1:
            return step
        at = self._in_stride(step // self._every)
        return at if at >= step else self._in_stride(step // self._every + 1)

    def _in_stride(self, stride: int) -> int:
        if stride != self._stride:
            self._stride, self._at = stride, stride * self._every + self._drawn(stride)
        return self._at

    def _drawn(self, stride: int) -> int:
        """SplitMix64 of (seed, stride), below `every`."""
        bits = (self._seed * _GOLDEN + stride * _FIRST + _SECOND) % 2**64
        bits = ((bits ^ (bits >> 30)) * _FIRST) % 2**64
        bits = ((bits ^ (bits >> 27)) * _SECOND) % 2**64
        return (bits ^ (bits >> 31)) % self._every
