"""When something happens: every so many steps, by epochs, logarithmically, at given steps, or at random.

`resolve` gives recording times: step 0 and the last step always belong to `Every`, `Epochs` and
`Logarithmic`. `kicks` gives perturbation times: step 0 and the last step never belong to them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from thermograd.numerics import philox
from thermograd.numerics.whole_number import check_whole_number

Steps = npt.NDArray[np.int64]
_WORDS_AT_ONCE = 64
MOST_TIMES = 10**7
"""Of one `Times` in one run."""


class _Regular:
    """Times that are the same for all trajectories."""

    def resolve(self, total: int, steps_per_epoch: int) -> Steps:
        """Sorted unique recording times of a run of `total` steps."""
        raise NotImplementedError

    def kicks(self, total: int, steps_per_epoch: int, seed: int, trajectory: int) -> Steps:
        """Sorted unique perturbation times of one trajectory."""
        del seed, trajectory
        times = self.resolve(total, steps_per_epoch)
        return times[(times > 0) & (times < total)]


@dataclass(frozen=True)
class Every(_Regular):
    """Every `steps` optimiser steps.

    Attributes:
        steps: optimiser steps from one time to the next.

    Raises:
        ValueError: no whole number from 1.

    >>> Every(4).resolve(10, 5).tolist(), Every(4).kicks(10, 5, seed=0, trajectory=0).tolist()
    ([0, 4, 8, 10], [4, 8])
    """

    steps: int = 1

    def __post_init__(self) -> None:
        check_whole_number("Every.steps", self.steps, 1)

    def resolve(self, total: int, steps_per_epoch: int) -> Steps:
        """0, steps, 2·steps, ... and `total`."""
        del steps_per_epoch
        return _regular("Every.steps", self.steps, self.steps, total)


@dataclass(frozen=True)
class Epochs(_Regular):
    """Every `n` epochs.

    Attributes:
        n: epochs from one time to the next.

    Raises:
        ValueError: no whole number from 1.

    >>> Epochs(2).resolve(10, 2).tolist()
    [0, 4, 8, 10]
    """

    n: int = 1

    def __post_init__(self) -> None:
        check_whole_number("Epochs.n", self.n, 1)

    def resolve(self, total: int, steps_per_epoch: int) -> Steps:
        """0, n epochs, 2n epochs, ... and `total`, in steps."""
        return _regular("Epochs.n", self.n, self.n * steps_per_epoch, total)


@dataclass(frozen=True)
class Logarithmic(_Regular):
    """Logarithmically spaced: round(10^(j / per_decade)), j = 0, 1, ..., and 0 and the last step.

    Attributes:
        per_decade: times in each factor of ten.

    Raises:
        ValueError: a number that is not positive.

    >>> Logarithmic(per_decade=2).resolve(100, 1).tolist()
    [0, 1, 3, 10, 32, 100]
    """

    per_decade: float = 10.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_decade) and self.per_decade > 0):
            message = f"Logarithmic.per_decade is {self.per_decade!r}; it must be a positive number"
            raise ValueError(message)

    def resolve(self, total: int, steps_per_epoch: int) -> Steps:
        """The times up to `total`.

        Raises:
            ValueError: more times than 10⁷.
        """
        del steps_per_epoch
        last = math.ceil(self.per_decade * math.log10(max(total, 1))) + 1
        if last > MOST_TIMES:
            message = f"Logarithmic.per_decade is {self.per_decade:g}; at most {MOST_TIMES} times are possible: take fewer"
            raise ValueError(message)
        with np.errstate(over="ignore"):  # of hardly any per decade, beyond every run
            powers = np.minimum(np.arange(last + 1) / self.per_decade, math.log10(total + 1.0) + 1.0)
        times = np.rint(10**powers).astype(np.int64)
        return np.unique(np.concatenate([[0], times[times <= total], [total]])).astype(np.int64)


@dataclass(frozen=True)
class At(_Regular):
    """At the given steps and no others.

    Attributes:
        steps: step numbers, 0 or larger.

    Raises:
        ValueError: a step that is no whole number from 0.

    >>> At((0, 1, 5)).resolve(3, 1).tolist()
    [0, 1]
    """

    steps: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            if not _is_integer(step) or step < 0:
                message = f"At.steps holds {step!r}; give step numbers, 0 or larger"
                raise ValueError(message)

    def resolve(self, total: int, steps_per_epoch: int) -> Steps:
        """The given steps that lie within the run."""
        del steps_per_epoch
        times = np.unique(np.asarray(self.steps, np.int64))
        return times[times <= total]


@dataclass(frozen=True)
class Random:
    """At random, for `perturb` only: each trajectory has its own geometric waiting times.

    Waiting times are w = 1 + ⌊ln u / ln(1 − rate)⌋ ≥ 1, so that each step is a kick with probability
    `rate`, independently. The uniforms are the words of the perturbation stream at step 0, where nothing
    is ever perturbed.

    Attributes:
        rate: probability of a kick at each step, in (0, 1].

    Raises:
        ValueError: a rate outside (0, 1].

    >>> times = Random(rate=0.5).kicks(1000, 1, seed=1, trajectory=0)
    >>> 400 < times.size < 600
    True
    """

    rate: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            message = f"Random.rate is {self.rate!r}; it must lie in (0, 1], in kicks per step"
            raise ValueError(message)

    def kicks(self, total: int, steps_per_epoch: int, seed: int, trajectory: int) -> Steps:
        """Sorted perturbation times of one trajectory."""
        del steps_per_epoch
        return np.fromiter(
            itertools.takewhile(lambda time: time < total, self.times(seed, trajectory)), np.int64
        )

    def times(self, seed: int, trajectory: int) -> Iterator[int]:
        """The perturbation times of one trajectory, one after the other, without end."""
        if self.rate == 1:
            yield from itertools.count(1)
        last = 0
        for first in itertools.count(0, _WORDS_AT_ONCE):
            drawn = philox.words(seed, philox.PERTURBATION, [trajectory], 0, _WORDS_AT_ONCE, first=first)[0]
            waits = 1 + np.floor(np.log((drawn + 0.5) / 2**32) / math.log1p(-self.rate))
            for wait in waits.tolist():
                last += int(wait)
                yield last


def _regular(name: str, value: int, step: int, total: int) -> Steps:
    """0, step, 2·step, ... and the last one, refused before memory is asked for where they are too many."""
    if total // step > MOST_TIMES:
        message = (
            f"{name} is {value}, which is {total // step} times in a run of {total} steps; at most {MOST_TIMES} are "
            "possible: take a larger interval, Logarithmic(), or fewer steps"
        )
        raise ValueError(message)
    times = np.arange(0, total + 1, step, dtype=np.int64)
    return times if times[-1] == total else np.append(times, total)


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
