"""Sums inside the step: what the accumulators of an experiment add up while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.block import BlockState, Tensors, part, prefixed
from thermograd.numerics.log_times import Every
from thermograd.protocols import Accumulator

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Times

_PREFIX = "accumulators"
_SUMS, _BEFORE, _GRADIENT = "sums", "before", "gradient"


class Accumulations:
    """The accumulators of an experiment, for one trajectory: what they keep, and when they add.

    An accumulator adds once for each stretch between consecutive points of its `every`, the first of which begins
    at time 0. In the middle of a stretch its beginning is kept beside the sums: under `<name>/before` the weights,
    under `<name>/gradient` the minibatch gradient there. A last stretch that the end of the run cuts short is not
    added, so that a longer run begins with the same numbers.

    Args:
        experiment: what is trained.
    """

    def __init__(self, experiment: Experiment) -> None:
        found = [entry for entry in experiment.observables if isinstance(entry, Accumulator)]
        self._ends = [(entry, _Ends(entry.every, experiment)) for entry in found]

    def __bool__(self) -> bool:
        return bool(self._ends)

    def start(self, weights: Tensors) -> Tensors:
        """What is kept at time 0."""
        kept: Tensors = {}
        for entry, _ in self._ends:
            kept |= prefixed(entry.start(weights), f"{entry.name}/{_SUMS}")
        return kept

    def after_update(
        self, kept: Tensors, step: int, before: Tensors, after: Tensors, gradient: Callable[[], Tensors]
    ) -> Tensors:
        """What is kept after the update from `step` to `step + 1`.

        Args:
            kept: before the update.
            step: its number.
            before: weights the update began with, a perturbation included.
            after: weights after it.
            gradient: gives the gradient of the update's minibatch at `before`.
        """
        return self._after(self._ends, kept, step, before, after, gradient)

    def after_spaced(
        self, kept: Tensors, step: int, before: Tensors, after: Tensors, gradient: Tensors
    ) -> Tensors:
        """The same of those that do not add at every step."""
        spaced = [(entry, ends) for entry, ends in self._ends if not ends.every_step]
        return self._after(spaced, kept, step, before, after, lambda: gradient)

    @staticmethod
    def _after(
        some: list[tuple[Accumulator, _Ends]],
        kept: Tensors,
        step: int,
        before: Tensors,
        after: Tensors,
        gradient: Callable[[], Tensors],
    ) -> Tensors:
        for entry, ends in some:
            begun, slope = f"{entry.name}/{_BEFORE}", f"{entry.name}/{_GRADIENT}"
            begins = step == 0 or step in ends
            first, pull = (before, gradient()) if begins else (part(kept, begun), part(kept, slope))
            if step + 1 in ends:
                sums = f"{entry.name}/{_SUMS}"
                added = prefixed(entry.accumulate(part(kept, sums), first, after, pull), sums)
                middle = (f"{begun}/", f"{slope}/")
                kept = {name: value for name, value in kept.items() if not name.startswith(middle)} | added
            elif begins:
                kept = kept | prefixed(first, begun) | prefixed(pull, slope)
        return kept

    @property
    def spaced(self) -> tuple[Accumulator, ...]:
        """The accumulators that do not add at every step."""
        return tuple(entry for entry, ends in self._ends if not ends.every_step)

    def start_of_constant(self, weights: Tensors) -> Tensors:
        """What those that add at every step keep at time 0."""
        kept: Tensors = {}
        for entry, ends in self._ends:
            if ends.every_step:
                kept |= prefixed(entry.start(weights), f"{entry.name}/{_SUMS}")
        return kept

    def after_each(self, kept: Tensors, before: Tensors, after: Tensors, gradient: Tensors) -> Tensors:
        """What those that add at every step keep after one."""
        for entry, ends in self._ends:
            if ends.every_step:
                sums = f"{entry.name}/{_SUMS}"
                kept = kept | prefixed(entry.accumulate(part(kept, sums), before, after, gradient), sums)
        return kept

    def ends(self, entry: Accumulator, first: int, steps: int) -> npt.NDArray[np.bool_]:
        """Whether a stretch of an accumulator ends at each of the times `first` to `first + steps`; one begins at 0."""
        found = next(ends for known, ends in self._ends if known is entry)
        return np.array([step == 0 or step in found for step in range(first, first + steps + 1)])

    @staticmethod
    def read(entry: Accumulator, kept: Tensors) -> Tensors:
        """The record of one accumulator by field, "" if it has one only."""
        record = entry.read(part(kept, f"{entry.name}/{_SUMS}"))
        return record if isinstance(record, dict) else {"": record}


def joined(block: BlockState) -> BlockState:
    """The block with what its accumulators keep in its `state`, to go through a map of trajectories with it."""
    if not block.accumulators:
        return block
    return replace(block, state=block.state | prefixed(block.accumulators, _PREFIX), accumulators={})


def parted(state: Tensors) -> tuple[Tensors, Tensors]:
    """A joined state: the state proper, and what accumulators keep."""
    kept = part(state, _PREFIX)
    if not kept:
        return state, kept
    return {name: value for name, value in state.items() if not name.startswith(f"{_PREFIX}/")}, kept


def rejoined(state: Tensors, kept: Tensors) -> Tensors:
    """The opposite of `parted`."""
    return state | prefixed(kept, _PREFIX)


class _Ends:
    """The steps at which a stretch ends, also beyond the length of the experiment, where a study may go on."""

    def __init__(self, every: Times, experiment: Experiment) -> None:
        self._every, self._steps_per_epoch = every, experiment.steps_per_epoch
        self._flags = self._until(experiment.total_steps)

    @property
    def every_step(self) -> bool:
        """Whether a stretch is one step, and always will be."""
        return isinstance(self._every, Every) and self._every.steps == 1

    def __contains__(self, step: int) -> bool:
        if step >= self._flags.size:
            self._flags = self._until(2 * step)
        return bool(self._flags[step])

    def _until(self, last: int) -> npt.NDArray[np.bool_]:
        # Times add the last step of a run whether or not its turn has come: ask for one that is longer by one.
        points = self._every.resolve(last + 1, self._steps_per_epoch)
        flags = np.zeros(last + 1, np.bool_)
        flags[points[(points > 0) & (points <= last)]] = True
        return flags
