"""Sampling without replacement: each epoch is a fresh random permutation, cut into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from thermograd.minibatching.batch_size import check_batch_size, fitting, full_batch
from thermograd.numerics import fisher_yates, philox
from thermograd.protocols import Batch

_WORDS_AHEAD = 2**16


class _Epoch:
    """Permutations being made: a speed-up only, never part of a checkpoint."""

    def __init__(self, seed: int, trajectories: Sequence[int], epoch: int, samples: int) -> None:
        self.key = (seed, epoch, samples, tuple(trajectories))
        self.filled = 0
        self._words = np.zeros((len(trajectories), 0), np.uint32)
        self._first_word = 0
        self._permutations = fisher_yates.identity(samples, len(trajectories))

    def fill(self, last: int) -> npt.NDArray[np.int64]:
        """The positions up to `last`, made with the words that belong to them, (rows, positions)."""
        first, self.filled = self.filled, last
        if last > self._first_word + self._words.shape[1]:
            self._words, self._first_word = self._draw(first, last), first
        words = self._words[:, first - self._first_word : last - self._first_word]
        return fisher_yates.shuffle(self._permutations, words, first)

    def _draw(self, first: int, last: int) -> npt.NDArray[np.uint32]:
        """Words of at least these positions, and of some ahead."""
        seed, epoch, samples, trajectories = self.key
        ahead = max(last, min(samples, first + _WORDS_AHEAD // len(trajectories)))
        return philox.words(seed, philox.MINIBATCH, trajectories, epoch, ahead - first, first=first)


@dataclass(frozen=True)
class WithoutReplacement:
    """Batches of one random permutation per epoch and trajectory ("WOR" of the papers).

    Update t of epoch e = t div n, n = ⌊M/m⌋, uses positions bm ... bm + m − 1, b = t mod n, of the
    permutation made by the Fisher-Yates loop q = i + ⌊w_i (M − i)/2³²⌋, swap p_i and p_q, with the words
    w of stream 1 at step e.

    Attributes:
        batch_size: m, samples per update; None = the whole training set in order, every step.
        remainder: if m does not divide M: "drop", the last M mod m samples of the permutation sit out
            the epoch (other ones the next); "spread", n = ⌈M/m⌉ batches from position ⌊bM/n + ½⌋ to
            ⌊(b+1)M/n + ½⌋ − 1, weighted so that every sample counts once an epoch; their sizes read the same from
            the end, which cancels what the uneven steps do to the variance in first order.

    Raises:
        ValueError: a batch size below 1.

    >>> rule = WithoutReplacement(batch_size=2)
    >>> epoch = [rule.draw(None, 0, [3], step, 6)[0].indices[0] for step in range(3)]
    >>> sorted(np.concatenate(epoch).tolist())
    [0, 1, 2, 3, 4, 5]
    """

    reshuffles_epochs: ClassVar[bool] = True

    batch_size: int | None = 32
    remainder: str = "drop"

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)
        if self.remainder not in ("drop", "spread"):
            message = f"remainder is {self.remainder!r}; use 'drop' or 'spread'"
            raise ValueError(message)

    def steps_per_epoch(self, samples: int) -> int:
        """⌊M/m⌋ updates; ⌈M/m⌉ with `remainder="spread"`."""
        size = fitting(self.batch_size, samples)
        return samples // size if self.remainder == "drop" else -(-samples // size)

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> None:
        """No state: a batch is a pure function of (seed, trajectory, step)."""

    def draw(
        self, state: Any, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, _Epoch | None]:
        """The batch of update `step`; the state handed on is only the permutation so far."""
        if self.batch_size is None:
            return full_batch(len(trajectories), samples), None
        size = fitting(self.batch_size, samples)
        count = self.steps_per_epoch(samples)
        epoch, position = divmod(step, count)
        if self.remainder == "drop":
            first, last = position * size, (position + 1) * size
        else:
            first, last = ((2 * place * samples + count) // (2 * count) for place in (position, position + 1))
        key = (seed, epoch, samples, tuple(trajectories))
        if state is None or state.key != key or state.filled != first:
            state = _Epoch(seed, trajectories, epoch, samples)
            state.fill(first)
        indices = state.fill(last)
        if self.remainder == "drop":
            return Batch(indices, None), state
        weights = np.zeros((len(trajectories), size))
        weights[:, : last - first] = size * count / samples
        padding = np.zeros((len(trajectories), size - (last - first)), np.int64)
        return Batch(np.concatenate([indices, padding], axis=1), weights), state
