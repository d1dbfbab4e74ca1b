"""Trackers in ensembles: looked after on the host between stretches of steps, written into the run, kept in checkpoints."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from thermograd.ensemble.block import BlockState, Tensors
from thermograd.numerics.log_times import Logarithmic
from thermograd.store.layout import ArraySpec, BlockSink, Checkpoint

if TYPE_CHECKING:
    from thermograd.protocols import Tracker, Tracking

Array = npt.NDArray[Any]
PREFIX = "trackers/"


@dataclass(frozen=True, eq=False)
class TrackedRun:
    """What the trackers of an experiment will do in a run of a known length.

    A tracker asks for steps by their numbers alone, so one trajectory that stands still shows at which steps the run
    has to stop for it and how large its tables become. A table is recorded at every decade of steps and at the end,
    each time whole; the places that are not known yet are NaN (-1 for integers).

    Attributes:
        trackers: of the experiment.
        stops: steps at which some tracker looks, sorted.
        times: steps at which tables are recorded.
        arrays: the recorded arrays, named `<tracker>/<field>`.
        bytes: memory of all trackers for one trajectory at the end of the run.
    """

    trackers: tuple[Tracker, ...]
    stops: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    arrays: tuple[ArraySpec, ...]
    bytes: int

    @classmethod
    def rehearsed(cls, trackers: Sequence[Tracker], weights: Tensors, total: int) -> TrackedRun:
        """What the trackers will do, found out with one trajectory.

        Args:
            trackers: of the experiment.
            weights: of one trajectory, with the leading axis.
            total: steps of the run.

        Raises:
            ValueError: a tracker asks for a step that is over already.
        """
        times = Logarithmic(1).resolve(total, 1)[1:]
        stops: set[int] = set()
        arrays: list[ArraySpec] = []
        used = 0
        for tracker in trackers:
            tracking = tracker.start(weights, trajectories=(0,))
            shapes: dict[str, tuple[int, ...]] = {}
            kinds: dict[str, str] = {}
            for step in _steps(tracker.name, tracking, times):
                stops.add(step)
                tracking.record(step, weights)
                if step in times:
                    for name, values in tracking.arrays().items():
                        before = shapes.get(name, values.shape[1:])
                        shapes[name] = tuple(map(max, before, values.shape[1:]))
                        kinds[name] = values.dtype.name
            arrays += [
                ArraySpec(f"{tracker.name}/{name}", shapes[name], kinds[name], times) for name in shapes
            ]
            used += tracking.nbytes
        return cls(tuple(trackers), np.array(sorted(stops), np.int64), times, tuple(arrays), used)

    def start(self, state: BlockState) -> BlockTrackers:
        """The trackers of one block at time 0."""
        return BlockTrackers(
            self,
            {
                tracker.name: tracker.start(state.weights, trajectories=state.trajectories)
                for tracker in self.trackers
            },
        )


@dataclass(frozen=True, eq=False)
class BlockTrackers:
    """The trackers of one block at work; they change as they look.

    Attributes:
        plan: what they will do.
        tracking: by name.
    """

    plan: TrackedRun
    tracking: dict[str, Tracking]

    def look(self, state: BlockState, sink: BlockSink) -> None:
        """Show them the block; write their tables where it is time."""
        row = int(np.searchsorted(self.plan.times, state.step))
        due = row < self.plan.times.size and self.plan.times[row] == state.step
        for name, tracking in self.tracking.items():
            tracking.record(state.step, state.weights)
            if due:
                self._write(name, tracking.arrays(), row, len(state.trajectories), sink)

    def _write(self, tracker: str, table: dict[str, Array], row: int, members: int, sink: BlockSink) -> None:
        for spec in self.plan.arrays:
            name = spec.name.removeprefix(f"{tracker}/")
            if name == spec.name:
                continue
            values = spec.filled(members, 1)[:, 0]
            found = table[name]
            values[tuple(slice(length) for length in found.shape)] = found
            sink.record(spec.name, row, values)

    def checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        """A checkpoint of the block with theirs in it."""
        arrays = dict(checkpoint.arrays)
        for name, tracking in self.tracking.items():
            file = io.BytesIO()
            torch.save(tracking.state_dict(), file)
            arrays[f"{PREFIX}{name}"] = np.frombuffer(file.getvalue(), np.uint8)
        return Checkpoint(checkpoint.step, arrays)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        for name, tracking in self.tracking.items():
            kept = io.BytesIO(np.asarray(checkpoint.arrays[f"{PREFIX}{name}"]).tobytes())
            tracking.load_state_dict(torch.load(kept, weights_only=True))


def _steps(name: str, tracking: Tracking, times: npt.NDArray[np.int64]) -> Iterator[int]:
    """The steps a tracker asks for and those at which its table is recorded, in order."""
    pending = times.tolist()
    last, total = -1, pending[-1]
    while True:
        due = tracking.due
        if due <= last:
            message = f"tracker {name!r} asks for step {due} after step {last} was recorded; due must move on"
            raise ValueError(message)
        step = min(due, pending[0] if pending else total + 1)
        if step > total:
            return
        if pending and step == pending[0]:
            pending.pop(0)
        yield step
        last = step
