"""Sampling with replacement: batches are independent from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.minibatching.batch_size import check_batch_size, fitting, full_batch
from thermograd.numerics import fisher_yates, philox
from thermograd.protocols import Batch


@dataclass(frozen=True)
class WithReplacement:
    """A new random batch at each step ("WR" of the papers).

    With `distinct`, m distinct samples: the first m positions of the Fisher-Yates loop
    q = i + ⌊w_i (M − i)/2³²⌋ from the identity, with the words w of stream 1 at this step. Without,
    sample j is ⌊w_j M/2³²⌋, and the noise covariance is larger by exactly (M − 1)/(M − m).

    Attributes:
        batch_size: m, samples per update; None = the whole training set in order, every step.
        distinct: whether the samples of one batch are distinct.

    >>> batch, _ = WithReplacement(batch_size=3).draw(None, 0, [0, 1], 5, 3)
    >>> np.sort(batch.indices).tolist()
    [[0, 1, 2], [0, 1, 2]]
    """

    batch_size: int | None = 32
    distinct: bool = True

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)

    def steps_per_epoch(self, samples: int) -> int:
        """⌊M/m⌋ updates."""
        return samples // fitting(self.batch_size, samples)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> None:
        """No state: a batch is a pure function of (seed, trajectory, step)."""

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, npt.NDArray[np.int32] | None]:
        """The batch of update `step`; the state handed on is only a buffer."""
        if self.batch_size is None:
            return full_batch(len(trajectories), samples), None
        size = fitting(self.batch_size, samples)
        words = philox.words(seed, philox.MINIBATCH, trajectories, step, size)
        if not self.distinct:
            scaled = (words.astype(np.uint64) * np.uint64(samples)) >> np.uint64(32)
            return Batch(scaled.astype(np.int64), None), None
        fits = state is not None and state.shape == (samples, len(trajectories))
        permutations = state if fits else fisher_yates.identity(samples, len(trajectories))
        indices = fisher_yates.shuffle(permutations, words, 0)
        fisher_yates.restore(permutations, words)
        return Batch(indices, None), permutations
