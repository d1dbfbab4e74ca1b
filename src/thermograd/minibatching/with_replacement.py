"""Sampling with replacement: batches are independent from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.minibatching.batch_size import check_batch_size, fitting, full_batch
from thermograd.numerics import fisher_yates, philox
from thermograd.numerics.argument_kind import check_flag
from thermograd.protocols import Batch

_ENTRIES_AHEAD = 2**19
_STEPS_AHEAD = 32


class _Ahead:
    """Batches of some steps ahead, drawn together: a speed-up only, never part of a checkpoint."""

    def __init__(
        self, seed: int, samples: int, size: int, distinct: bool, trajectories: tuple[int, ...]
    ) -> None:
        self.key = (seed, samples, size, distinct, trajectories)
        rows = len(trajectories)
        held = max(1, _ENTRIES_AHEAD // (rows * (samples if distinct else size)))
        self._first, self._steps = 0, min(held, _STEPS_AHEAD)
        self._batches: npt.NDArray[np.int64] | None = None
        self._permutations = fisher_yates.identity(samples, rows * self._steps) if distinct else None

    def batch(self, step: int) -> npt.NDArray[np.int64]:
        """The indices of one update, (rows, size)."""
        if self._batches is None or not self._first <= step < self._first + self._steps:
            self._first, self._batches = step, self._draw(step)
        batch: npt.NDArray[np.int64] = self._batches[step - self._first]
        return batch

    def _draw(self, first: int) -> npt.NDArray[np.int64]:
        seed, samples, size, _, trajectories = self.key
        steps = np.arange(first, first + self._steps) % 2**32
        rows = np.tile(np.array(trajectories), self._steps)
        words = philox.words(seed, philox.MINIBATCH, rows, np.repeat(steps, len(trajectories)), size)
        if self._permutations is None:
            indices = ((words.astype(np.uint64) * np.uint64(samples)) >> np.uint64(32)).astype(np.int64)
        else:
            indices = fisher_yates.shuffle(self._permutations, words, 0)
            fisher_yates.restore(self._permutations, words)
        return indices.reshape(self._steps, len(trajectories), size)


@dataclass(frozen=True)
class WithReplacement:
    """A new random batch at each step ("WR" of the papers).

    With `distinct`, m distinct samples: the first m positions of the Fisher-Yates loop
    q = i + ⌊w_i (M − i)/2³²⌋ from the identity, with the words w of stream 1 at this step. Without,
    sample j is ⌊w_j M/2³²⌋, and the noise covariance is larger by exactly (M − 1)/(M − m).

    Attributes:
        batch_size: m, samples per update; None = the whole training set in order, every step.
        distinct: whether the samples of one batch are distinct.

    Raises:
        ValueError: a batch size below 1, or a flag that is none.

    >>> batch, _ = WithReplacement(batch_size=3).draw(None, 0, [0, 1], 5, 3)
    >>> np.sort(batch.indices).tolist()
    [[0, 1, 2], [0, 1, 2]]
    """

    batch_size: int | None = 32
    distinct: bool = True

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)
        check_flag("distinct", self.distinct)

    def steps_per_epoch(self, samples: int) -> int:
        """⌊M/m⌋ updates."""
        return samples // fitting(self.batch_size, samples)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> None:
        """No state: a batch is a pure function of (seed, trajectory, step)."""

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, _Ahead | None]:
        """The batch of update `step`; the state handed on only holds batches drawn ahead."""
        if self.batch_size is None:
            return full_batch(len(trajectories), samples), None
        size = fitting(self.batch_size, samples)
        key = (seed, samples, size, self.distinct, tuple(trajectories))
        if state is None or state.key != key:
            state = _Ahead(*key)
        return Batch(state.batch(step), None), state
