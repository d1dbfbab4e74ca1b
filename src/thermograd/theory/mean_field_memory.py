"""How a sample's preactivation answers to a push at an earlier step: the memory-bound part of the mean-field equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TOGETHER = 8
"""Pushes t′ that are kept in one array, so that one product serves them all."""


class SampleResponses:
    """a(u) D(u, t′) of every path, for pushes t′ up to `depth` steps ago, in float32.

    D(t, t′) = δ_tt′ − Δ Σ_{t′≤u<t} R(t, u) a(u) D(u, t′), a = s l″, is how the preactivation of a sample answers at t to
    a push at t′. What is wanted are means over paths, Γ(t, t′)/(αΔ) = ⟨a(t) D(t, t′)⟩.

    An array holds `_TOGETHER` neighbouring t′, in the order (u, t′, path) and from the first of these t′ on, so that only
    the triangle t′ ≤ u is stored and read: step t reads t²/2 · paths numbers once. Arrays whose pushes are all too old are
    used again. Float32 because the loop is bound by memory; R itself must stay in float64.

    Attributes:
        paths: number of paths.
        depth: D(t, t′) with t − t′ > depth is taken as 0.
    """

    def __init__(self, paths: int, steps: int, depth: int, variance: float) -> None:
        self.paths = paths
        self.depth = depth
        self._steps = steps
        self._variance = np.float32(variance)
        self._kept: list[tuple[int, Array]] = []
        self._spare: list[Array] = []
        self._answers = np.zeros((min(depth, steps) + 2 * _TOGETHER, paths), np.float32)

    @staticmethod
    def bytes_for(paths: int, steps: int, depth: int) -> int:
        """Memory that is needed at most, about 2 depth² paths without a cut and 4 depth² paths with one."""
        alive = min(
            -(-(depth + 1) // _TOGETHER) + 1, -(-steps // _TOGETHER)
        )  # arrays held at once, the first are longest
        whole = min(
            max((steps - depth) // _TOGETHER, 0), alive
        )  # of them, those the end of the run does not cut short
        cut = alive - whole
        begins = _TOGETHER * (whole + alive - 1) * cut // 2  # the sum of their first pushes
        held = whole * (depth + _TOGETHER) + cut * steps - begins
        return 4 * paths * (held * _TOGETHER + min(depth, steps) + 2 * _TOGETHER)

    def advance(self, step: int, response: Array, curvature: Array) -> tuple[int, Array]:
        """⟨a(t) D(t, t′)⟩ of the pushes t′ = first … t, and keep a(t) D(t, t′).

        Args:
            step: t; called for 0, 1, 2 ... in turn.
            response: R(t, u), `(t,)`.
            curvature: a(t) of the paths, `(paths,)`.

        Returns:
            The first t′, and the means, `(t − first + 1,)`.
        """
        oldest = max(0, step - self.depth)
        self._open_and_close(step, oldest)
        begin = self._kept[0][0]
        answers = self._answers[: len(self._kept) * _TOGETHER]
        blocks = answers.reshape(len(self._kept), _TOGETHER, self.paths)
        weights = (-self._variance * response).astype(np.float32)
        for (first, array), block in zip(self._kept, blocks, strict=True):
            earlier = array[: step - first].reshape(step - first, block.size)
            np.matmul(weights[first:step], earlier, out=block.reshape(-1))
        answers[step - begin] = 1.0
        answers[: oldest - begin] = 0.0
        bend = curvature.astype(np.float32)
        means = answers[oldest - begin : step - begin + 1] @ bend / self.paths
        for (first, array), block in zip(self._kept, blocks, strict=True):
            np.multiply(block, bend, out=array[step - first])
        return oldest, means.astype(np.float64)

    def _open_and_close(self, step: int, oldest: int) -> None:
        """Put arrays away whose pushes are all too old, and take one for the pushes from `step` on where it is time."""
        while self._kept and self._kept[0][0] + _TOGETHER <= oldest:
            self._spare.append(self._kept.pop(0)[1])
        if step % _TOGETHER:
            return
        rows = _rows(step, self._steps, self.depth)
        if self._spare:
            array = self._spare.pop()[:rows]
        else:
            array = np.empty((rows, _TOGETHER, self.paths), np.float32)
        self._kept.append((step, array))


def _rows(first: int, steps: int, depth: int) -> int:
    """Steps u from `first` on at which one of its pushes is still remembered."""
    return min(steps - first, depth + _TOGETHER)
