"""Persistent sampling: a sample that is in the batch tends to stay in it for a while."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd import minibatching  # torch is loaded with the sampler, when one is asked for
from thermograd.minibatching.batch_size import full_batch
from thermograd.numerics import fisher_yates, philox
from thermograd.numerics.argument_kind import check_flag
from thermograd.numerics.finite_number import is_finite_number
from thermograd.protocols import Batch

if TYPE_CHECKING:
    from thermograd.minibatching.batch_sampler import BatchSampler

_ROUNDING = 1e-12
"""How far below its bound a persistence may be, relatively: 1/fraction and the like are rounded."""

State = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Persistent:
    """Batches with a memory: every sample enters and leaves at random, and stays in between.

    Each sample has s ∈ {0, 1}, 1 while it is in the batch. Update 0 uses s(0), 1 with probability b, and
    from update to update P(0→1) = 1/τ and P(1→0) = (1 − b)/(bτ): mean b, correlation ρʲ over j updates with
    ρ = 1 − 1/(bτ), mean stay τ updates outside the batch and bτ/(1 − b) in it (Mignacco, Krzakala, Urbani,
    Zdeborová, arXiv 2006.06098; Mignacco, Urbani, arXiv 2112.10852; there τ is our persistence times the
    learning rate). τ = 1/b is plain SGD, independent batches. τ ≥ max(1, (1 − b)/b), or it is no probability.

    The loss of an update is Σ s_i l_i/(bM) + R, not a mean over the batch, whose size fluctuates: a batch is
    all M samples in order with weights s/b, so the forward pass is one of all samples (batch statistics, as
    of BatchNorm, are theirs), and an empty batch leaves only the regulariser.

    With `fixed_size`, m = round(bM) distinct samples instead, as indices without weights. Every member is
    released with probability r = (1 − ρ)(1 − b)/(1 − (1 − ρ)b), and as many are drawn uniformly from all that
    are then outside, the released included: correlation ρ up to O(1/M), and at τ = 1/b a fresh batch of m
    distinct samples each time. Needs τ ≥ 1/b.

    Random words w (32 bits), of (stream 5, step 0) for s(0) and of (stream 1, step t) for s(t), t ≥ 1:

    - independent samples: s_i(0) = [w_i < b·2³²]; at update t sample i changes if w_i < 2³² P(0→1), or
      2³² P(1→0) if it is in.
    - `fixed_size`: a permutation p of the samples is kept, p_0 … p_{m−1} the batch. First the Fisher-Yates
      loop q = i + ⌊w_i (M − i)/2³²⌋, swap p_i and p_q, over i = 0 … m − 1 from the identity. At update t,
      p_j is released if w_j < r·2³²; the kept ones move to the front and the K released behind them, both
      in their order; then the same loop over i = m − K … m − 1 with words w_m … w_{m+K−1}.

    Attributes:
        fraction: b, mean share of the samples in a batch, 0 < b ≤ 1.
        persistence: τ, mean number of updates a sample stays outside the batch; None = 1/fraction.
        fixed_size: whether every batch has the same number of samples.

    Raises:
        ValueError: a fraction outside (0, 1], a persistence too short for it, or a flag that is none.

    >>> rule = Persistent(fraction=0.1, persistence=100)
    >>> rule.correlation_time, rule.correlation
    (10.0, 0.9)
    >>> rule = Persistent(fraction=0.5, fixed_size=True)
    >>> rule.draw(rule.start(0, [3], 6), 0, [3], 0, 6)[0].indices.shape
    (1, 3)
    """

    fraction: float = 0.1
    persistence: float | None = None
    fixed_size: bool = False

    def __post_init__(self) -> None:
        if not is_finite_number(self.fraction) or not 0 < self.fraction <= 1:
            message = (
                f"fraction is {self.fraction!r}; give a number above 0 and up to 1, the mean share of the "
                "samples in a batch"
            )
            raise ValueError(message)
        check_flag("fixed_size", self.fixed_size)
        if self.persistence is not None:
            self._check_persistence(self.persistence)

    def _check_persistence(self, persistence: float) -> None:
        plain = 1 / self.fraction
        advice = f"None or 1/fraction = {plain:g} is plain SGD"
        if not is_finite_number(persistence):
            message = f"persistence is {persistence!r}; give a number of updates, or None. {advice}"
            raise ValueError(message)
        if self.fixed_size:
            least = plain
            why = "1/fraction: batches of a fixed size cannot avoid themselves"
        else:
            least = max(1.0, (1 - self.fraction) / self.fraction)
            why = "max(1, (1 - fraction)/fraction): a sample would change with a probability above 1"
        if persistence < least * (1 - _ROUNDING):
            message = (
                f"persistence is {persistence:g}, below {why}. With fraction={self.fraction:g} give "
                f"{least:g} or more; {advice}"
            )
            raise ValueError(message)

    @property
    def correlation_time(self) -> float:
        """bτ, in updates."""
        return 1.0 if self.persistence is None else float(self.fraction * self.persistence)

    @property
    def correlation(self) -> float:
        """ρ = 1 − 1/(bτ), between a sample's being in a batch and in the next; 0 for plain SGD."""
        return 1 - 1 / self.correlation_time

    @property
    def limits(self) -> tuple[int, int]:
        """Of independent samples: words below the first let a sample in, below the second out."""
        persistence = 1 / self.fraction if self.persistence is None else self.persistence
        return _limit(1 / persistence), _limit((1 - self.fraction) / (self.fraction * persistence))

    def steps_per_epoch(self, samples: int) -> int:
        """⌊M/m⌋ updates, m = round(bM), at least 1."""
        return samples // (self.size(samples) if self.fixed_size else max(1, round(self.fraction * samples)))

    def batch_sampler(self, *, samples: int, steps: int | None = None, seed: int = 0) -> BatchSampler:
        """These batches for a `DataLoader`: `DataLoader(data, batch_sampler=...)`.

        They are those of trajectory 0 of an ensemble with this seed, and go on from epoch to epoch. Where several
        ranks train together, give each its own part of the samples and its own seed.

        Args:
            samples: M, length of the data set.
            steps: batches of an epoch; `steps_per_epoch(samples)` if None.
            seed: 0 ≤ seed < 2⁶⁴.

        Returns:
            A `torch.utils.data.Sampler` of lists of indices, with `state_dict()`, `load_state_dict()` and `skipped`.

        Raises:
            ValueError: a number that cannot be, or a batch of fixed size that would be empty.

        >>> sampler = Persistent(0.5, fixed_size=True).batch_sampler(samples=6, seed=1)
        >>> len(sampler), [len(batch) for batch in sampler]
        (2, [3, 3])
        """
        sampler: BatchSampler = minibatching.BatchSampler(self, samples=samples, steps=steps, seed=seed)
        return sampler

    def start(self, seed: int, trajectories: Sequence[int], samples: int) -> State:
        """The state that update 0 uses: `selected` s, or the `permutation`, (B, M)."""
        stream = philox.SAMPLER_START
        if not self.fixed_size:
            words = philox.words(seed, stream, trajectories, 0, samples)
            return {"selected": _below(words, self.fraction)}
        size = self.size(samples)
        permutations = fisher_yates.identity(samples, len(trajectories))
        _fill(permutations, philox.words(seed, stream, trajectories, 0, size), 0)
        return {"permutation": permutations.T}

    def draw(
        self, state: State, seed: int, trajectories: Sequence[int], step: int, samples: int
    ) -> tuple[Batch, State]:
        """The batch of update `step`, read off the state, and the state of the next update."""
        if not self.fixed_size:
            selected = state["selected"]
            indices = full_batch(len(trajectories), samples).indices
            batch = Batch(indices, selected / self.fraction)
            return batch, {"selected": self._changed(selected, seed, trajectories, step + 1)}
        size = self.size(samples)
        batch = Batch(state["permutation"][:, :size].astype(np.int64), None)
        return batch, {"permutation": self._exchanged(state["permutation"], seed, trajectories, step + 1)}

    def _changed(
        self, selected: npt.NDArray[np.bool_], seed: int, trajectories: Sequence[int], step: int
    ) -> npt.NDArray[np.bool_]:
        words = philox.words(seed, philox.MINIBATCH, trajectories, step, selected.shape[1])
        enter, leave = self.limits
        return np.where(selected, words >= np.uint64(leave), words < np.uint64(enter))

    def _exchanged(
        self, permutation: npt.NDArray[np.int32], seed: int, trajectories: Sequence[int], step: int
    ) -> npt.NDArray[np.int32]:
        """Some members released and as many drawn, in trajectories that release different numbers of them."""
        size = self.size(permutation.shape[1])
        words = philox.words(seed, philox.MINIBATCH, trajectories, step, size)
        released = words < np.uint64(self.release_limit)
        counts = np.count_nonzero(released, axis=1)
        most = int(counts.max(initial=0))
        permutations = np.array(permutation.T, order="C")
        order = np.argsort(released, axis=1, kind="stable").T
        permutations[:size] = np.take_along_axis(permutations[:size], order, axis=0)
        draws = philox.words(seed, philox.MINIBATCH, trajectories, step, most, first=size)
        place = np.arange(most) - (most - counts[:, None])
        aligned = np.where(place >= 0, np.take_along_axis(draws, np.maximum(place, 0), axis=1), 0)
        _fill(permutations, aligned, size - most)
        return permutations.T

    @property
    def release_limit(self) -> int:
        """Of batches of fixed size: words below it release a member."""
        lost = 1 - self.correlation
        return 0 if self.fraction == 1 else _limit(lost * (1 - self.fraction) / (1 - lost * self.fraction))

    def size(self, samples: int) -> int:
        """Samples in a batch of fixed size, m = round(bM).

        Raises:
            ValueError: it is 0.
        """
        size = round(self.fraction * samples)
        if size == 0:
            message = (
                f"fraction is {self.fraction:g}, and round(fraction * {samples} samples) is 0; with "
                f"fixed_size=True give a fraction above {0.5 / samples:g}"
            )
            raise ValueError(message)
        return size


def _below(words: philox.Words, probability: float) -> npt.NDArray[np.bool_]:
    """Whether w < p·2³², compared as whole numbers: ⌈p·2³²⌉ is exact."""
    found: npt.NDArray[np.bool_] = words < np.uint64(_limit(probability))
    return found


def _limit(probability: float) -> int:
    return math.ceil(probability * 2**32)


def _fill(
    permutations: fisher_yates.Permutations, words: npt.NDArray[np.unsignedinteger[Any]], first: int
) -> None:
    """The Fisher-Yates loop from position `first` on, in place; the word 0 leaves a position as it is."""
    chosen = fisher_yates.shuffle(permutations, words, first)
    permutations[first : first + words.shape[1]] = chosen.T
