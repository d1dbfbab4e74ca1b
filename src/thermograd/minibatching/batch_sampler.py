"""The batches of `Persistent` for a `torch.utils.data.DataLoader`: the sampler behind `Persistent.batch_sampler`."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Sampler

from thermograd.numerics import fisher_yates, philox
from thermograd.numerics.whole_number import check_whole_number

if TYPE_CHECKING:
    from thermograd.minibatching.persistent import Persistent, State

_TRAJECTORY = (0,)
_STEPS_AHEAD = 64
_WORDS_AHEAD = 2**16
_OFTEN_EMPTY = 1e-3


class BatchSampler(Sampler[list[int]]):
    """Lists of indices, batch after batch; made by `Persistent.batch_sampler`.

    Batch t is what trajectory 0 of an ensemble with this seed uses for its update t. The process goes on from
    one `__iter__` to the next, so that the end of an epoch is no event; it lives in the process that iterates,
    so workers of a `DataLoader` may fetch ahead. `state_dict` counts what was handed out, batches fetched ahead
    included: take it between epochs.

    Batches of independent samples vary in size, and a mean over one is not Σ l_i/(bM): it adds relative noise
    √((1 − b)/(bM)). Empty ones are skipped: the process advances, nothing is yielded, `skipped` counts.

    Attributes:
        rule: the `Persistent`.
        samples: M.
        seed: of the process.
        step: updates of the process so far, those of empty batches included.
        skipped: empty batches so far.

    Args:
        rule: the `Persistent`.
        samples: M.
        steps: batches of an epoch; the `steps_per_epoch` of the rule if None.
        seed: 0 ≤ seed < 2⁶⁴.

    Raises:
        ValueError: a number that cannot be, or a batch of fixed size that would be empty.

    >>> from thermograd.minibatching import Persistent
    >>> rule = Persistent(fraction=0.25, persistence=8)
    >>> sampler, resumed = (rule.batch_sampler(samples=40, steps=3, seed=1) for _ in range(2))
    >>> epoch = list(sampler)
    >>> resumed.load_state_dict(sampler.state_dict())
    >>> list(sampler) == list(resumed), sampler.step - sampler.skipped
    (True, 6)
    """

    def __init__(self, rule: Persistent, *, samples: int, steps: int | None = None, seed: int = 0) -> None:
        check_whole_number("samples", samples, 1, 2**31 - 1)
        check_whole_number("seed", seed, 0, 2**64 - 1)
        self._steps = rule.steps_per_epoch(samples) if steps is None else steps
        check_whole_number("steps", self._steps, 1, 2**32 - 1)
        self.rule, self.samples, self.seed = rule, int(samples), int(seed)
        self.step, self.skipped = 0, 0
        self._process = _process(rule, rule.start(self.seed, _TRAJECTORY, self.samples))
        empty = 0.0 if rule.fixed_size else (1 - rule.fraction) ** samples
        if empty > _OFTEN_EMPTY:
            message = (
                f"a batch of fraction {rule.fraction:g} of {samples} samples is empty with probability "
                f"{empty:.2g}, and will be skipped; use fixed_size=True"
            )
            warnings.warn(message, stacklevel=3)

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        given = 0
        while given < self._steps:
            batch = self._process.batch()
            self._process.advance(self.seed, self.step)
            self.step += 1
            if batch:
                given += 1
                yield batch
            else:
                self.skipped += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on elsewhere: numbers `step`, `seed`, `skipped`, and tensors in `state`."""
        state = {name: torch.from_numpy(value.copy()) for name, value in self._process.state.items()}
        return {"step": self.step, "seed": self.seed, "skipped": self.skipped, "state": state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Args:
            state: from `state_dict` of a sampler of the same rule and number of samples.

        Raises:
            ValueError: it is of another one.
        """
        given: object = state
        if not isinstance(given, dict) or not {"step", "seed", "skipped", "state"} <= given.keys():
            told = ", ".join(map(str, given)) if isinstance(given, dict) else type(given).__name__
            message = f"this is no state of a batch sampler, but {told}; give what state_dict() returns"
            raise ValueError(message)
        arrays = {name: np.asarray(value) for name, value in state["state"].items()}
        own, got = _shapes(self._process.state), _shapes(arrays)
        if own != got:
            message = (
                f"the state is that of another sampler: it has {got}, this one {own}; make this sampler with the "
                "same samples and fixed_size"
            )
            raise ValueError(message)
        self.step, self.seed, self.skipped = (int(state[name]) for name in ("step", "seed", "skipped"))
        self._process = _process(self.rule, arrays)


class _Selection:
    """Independent samples: the state as `Persistent` keeps it."""

    def __init__(self, rule: Persistent, state: State) -> None:
        self._rule, self.state = rule, state

    def batch(self) -> list[int]:
        """The samples that are in."""
        chosen: list[int] = np.flatnonzero(self.state["selected"][0]).tolist()
        return chosen

    def advance(self, seed: int, step: int) -> None:
        """From update `step` to the next."""
        _, self.state = self._rule.draw(self.state, seed, _TRAJECTORY, step, self.state["selected"].shape[1])


class _Exchange:
    """Batches of a fixed size: the permutation as a list, and the random words of many steps drawn together.

    An update costs a walk over the exchanged samples, instead of some 20 calls of numpy.
    """

    def __init__(self, rule: Persistent, state: State) -> None:
        self._permutation: list[int] = state["permutation"][0].tolist()
        self._size = rule.size(len(self._permutation))
        self._limit = np.uint64(rule.release_limit)
        self._ahead = max(1, min(_STEPS_AHEAD, _WORDS_AHEAD // (2 * self._size)))
        self._first: int | None = None
        self._released: list[list[bool]] = []
        self._kept: list[list[bool]] = []
        self._chosen: list[list[int]] = []

    @property
    def state(self) -> State:
        """As `Persistent` keeps it."""
        return {"permutation": np.array([self._permutation], np.int32)}

    def batch(self) -> list[int]:
        """The members."""
        return self._permutation[: self._size]

    def advance(self, seed: int, step: int) -> None:
        """From update `step` to the next: the released behind the kept ones, then as many drawn."""
        step += 1
        if self._first is None or not self._first <= step < self._first + self._ahead:
            self._draw(seed, step)
            self._first = step
        row, size, p = step - self._first, self._size, self._permutation
        members, chosen = p[:size], self._chosen[row]
        p[:size] = itertools.compress(members, self._kept[row])
        p[size - len(chosen) : size - len(chosen)] = itertools.compress(members, self._released[row])
        for place, other in enumerate(chosen, start=size - len(chosen)):
            p[place], p[other] = p[other], p[place]

    def _draw(self, seed: int, first: int) -> None:
        """Who is released at the next updates, and the places swapped with then."""
        size, samples = self._size, len(self._permutation)
        steps = np.arange(first, first + self._ahead) % 2**32
        words = philox.words(seed, philox.MINIBATCH, np.zeros_like(steps), steps, 2 * size)
        released = words[:, :size] < self._limit
        self._released, self._kept = released.tolist(), (~released).tolist()
        self._chosen = [
            fisher_yates.choices(row[None, size : size + count], samples, size - count)[:, 0].tolist()
            for row, count in zip(words, np.count_nonzero(released, axis=1).tolist(), strict=True)
        ]


def _process(rule: Persistent, state: State) -> _Selection | _Exchange:
    return _Exchange(rule, state) if rule.fixed_size else _Selection(rule, state)


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in state.items()}
