"""The only training loop we own: record, perturb, update, for a block of trajectories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.activations import hidden_layers_of
from thermograd.ensemble.best import directions_of, with_best
from thermograd.ensemble.block import BlockState
from thermograd.ensemble.environment import data_note
from thermograd.ensemble.kicks import KickSchedule, Schedule
from thermograd.ensemble.perturbing import perturbed
from thermograd.ensemble.plan import prepare
from thermograd.ensemble.tracking import TrackedRun
from thermograd.errors import MemoryLimitError
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import At
from thermograd.store.free_memory import free_memory
from thermograd.store.layout import DIVERGED, FINISHED, PENDING, ArraySpec, BlockSink, Header

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Times

_SECONDS_PER_CALL = 0.2
Visit = Callable[[BlockState], BlockState]


class Trainer:
    """Trains the blocks of one experiment.

    Args:
        experiment: what to train; everything that can be refused is refused here, before a step is done.
        candidates: perturbations that may be applied besides that of the experiment.
        from_first_kick: see `KickSchedule`.

    Raises:
        ValueError: the experiment cannot run.
        EngineUnavailableError: an engine asked for by name cannot run it.
    """

    def __init__(
        self, experiment: Experiment, candidates: Iterable[Any] = (), *, from_first_kick: bool = False
    ) -> None:
        self.experiment = experiment
        self.plan, self.engine = prepare(experiment)
        self.total = experiment.total_steps
        per_epoch = experiment.steps_per_epoch
        self._times = {
            observable.name: _resolved(
                f"observable {observable.name!r}: its `at`", observable.at, self.total, per_epoch
            )
            for observable in experiment.observables
        }
        for name, times in self._times.items():
            if times.size == 0:
                message = (
                    f"observable {name!r}: its `at` has no time within the {self.total} steps of the run"
                )
                raise ValueError(message)
        saved = _resolved("save_weights", experiment.save_weights or At(()), self.total, per_epoch)
        self._saved = np.unique(np.append(saved, self.total))
        one = self.engine.start(range(1))
        self._tracked = TrackedRun.rehearsed(experiment.trackers, one.weights, self.total)
        self._arrays = (*self._describe_arrays(one), *self._tracked.arrays)
        self._kicks = KickSchedule(experiment, self.total, from_first_kick=from_first_kick)
        self._directions = directions_of([experiment.perturbation, *candidates])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know, before anything has run."""
        problem = self.experiment.functional.problem
        notes = [*self.plan.notes, *data_note(problem.provenance)]
        rule, samples = self.experiment.minibatching, self.experiment.functional.samples
        if isinstance(rule, WithoutReplacement):
            left = samples % rule.batch_size if rule.batch_size and rule.remainder == "drop" else 0
            if left:
                notes.append(f"{left} of {samples} training samples sit out each epoch, others the next")
            if (self.experiment.dtype or problem.dtype) == "float32":
                notes.append(
                    "float32 without replacement: rounding widens the stationary distribution along flat "
                    "directions; use dtype='mixed' (as fast) or 'float64' for variances"
                )
        return tuple(notes)

    def header(self, name: str = "") -> Header:
        """What the run will consist of."""
        experiment = self.experiment
        return Header(
            name=name or experiment.functional.problem.name,
            seed=experiment.seed,
            trajectories=experiment.trajectories,
            steps=self.total,
            steps_per_epoch=experiment.steps_per_epoch,
            block_size=experiment.block_size,
            engine=self.plan.engine,
            reason=self.plan.reason,
            arrays=self._arrays,
        )

    def check_memory(self) -> None:
        """Refuse a run in memory that would not fit.

        Raises:
            MemoryLimitError: above 80 % of the free memory; names the largest items.
        """
        sizes = {
            spec.name: self.experiment.trajectories * spec.times.size * spec.record_bytes
            for spec in self._arrays
        }
        sizes["one block at work"] = self.plan.block_bytes
        sizes["trackers of one block"] = self._tracked.bytes * min(
            self.experiment.block_size, self.experiment.trajectories
        )
        needed, free = sum(sizes.values()), free_memory()
        if needed > 0.8 * free:
            largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
            shown = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in largest)
            message = (
                f"the run needs about {needed / 1e9:.2f} GB, of {free / 1e9:.2f} GB free memory; largest: "
                f"{shown}. Use store=, fewer times, or a smaller block_size"
            )
            raise MemoryLimitError(message)

    def train(
        self,
        block: int,
        sink: BlockSink,
        *,
        until: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Train one block to its end, to `until`, or until the sink asks to stop; then commit.

        Args:
            block: its number.
            sink: where records and checkpoints go, and where an earlier checkpoint comes from.
            until: step to stop at.
            progress: called with (block, step) now and then.
        """
        header = self.header()
        state = self.engine.start(header.block(block))
        trackers = self._tracked.start(state)
        checkpoint = sink.load()

        def commit(current: BlockState) -> None:
            sink.commit(trackers.checkpoint(current.checkpoint()), _outcome(current, self.total))

        def visit(current: BlockState) -> BlockState:
            current = self._record(current, sink)
            trackers.look(current, sink)
            if progress is not None:
                progress(block, current.step)
            if sink.due() and current.step < self.total:
                commit(current)
            return current

        if checkpoint is None:
            state = self._record(state, sink)
            trackers.look(state, sink)
        else:
            state = state.restored(checkpoint)
            trackers.restore(checkpoint)
        stop = self.total if until is None else min(until, self.total)
        state = self.follow(state, until=stop, visit=visit, stopping=sink.stopping)
        if stop == self.total and (state.diverged_at >= 0).all():
            state = self._end_early(state, sink)
        commit(state)

    def follow(
        self,
        state: BlockState,
        *,
        until: int,
        visit: Visit,
        stopping: Callable[[], bool] = lambda: False,
        every: int | None = None,
        kicks: Schedule | None = None,
    ) -> BlockState:
        """The loop. At each time: visit (record), perturb, update.

        Args:
            state: visited, not yet perturbed.
            until: last step.
            visit: called after updates, at every time of interest at least; may drop trajectories.
            stopping: asked between calls; True ends the loop early.
            every: visit at multiples of this many steps, instead of the times of the experiment.
            kicks: what perturbs when, instead of the experiment's.

        Returns:
            The state at `until`, or where it was stopped, or where no trajectory was left alive.
        """
        records = (
            [*self._times.values(), self._saved, self._tracked.stops]
            if every is None
            else [np.arange(every, until + 1, every)]
        )
        schedule = self._kicks if kicks is None else kicks
        events = np.unique(np.concatenate([*records, schedule.steps(state.trajectories, until)]))
        pace = 1
        while state.step < until and len(state.trajectories) and not stopping():
            if (state.diverged_at >= 0).all():
                break
            state = self._perturb(state, schedule)
            ahead = events[np.searchsorted(events, state.step, side="right") :]
            target = min(until, int(ahead[0])) if ahead.size else until
            steps = min(pace, target - state.step)
            begun = time.monotonic()
            state = self.engine.advance(state, steps)
            seconds = max(time.monotonic() - begun, 1e-9)
            pace = max(1, int(steps * _SECONDS_PER_CALL / seconds))
            state = visit(state)
        return state

    @property
    def watches_best(self) -> bool:
        """Whether the best state of each trajectory is kept."""
        return bool(self._directions)

    def noted(self, state: BlockState, metric: npt.NDArray[np.float64]) -> BlockState:
        """The block with the values of its first observable; the best so far is kept where it is needed."""
        state = replace(state, metric=metric)
        return with_best(state, self._directions) if self._directions else state

    def _perturb(self, state: BlockState, schedule: Schedule) -> BlockState:
        rows = schedule.acted_on(state.step, state.trajectories)
        alive = [row for row in rows if state.diverged_at[row] < 0]
        if not alive:
            return state
        experiment, perturbation = self.experiment, schedule.perturbation
        looks = getattr(perturbation, "needs_activations", False)
        weights, rest = perturbed(
            state,
            alive,
            perturbation,
            experiment.functional,
            experiment.dynamics,
            experiment.seed,
            due=set(schedule.due(state.step, state.trajectories)),
            hidden_layers=hidden_layers_of(self.engine, state) if looks else None,
        )
        return self.engine.with_weights(state, weights, rest)

    def _record(self, state: BlockState, sink: BlockSink) -> BlockState:
        """Record everything due at this time."""
        for place, observable in enumerate(self.experiment.observables):
            times = self._times[observable.name]
            row = int(np.searchsorted(times, state.step))
            if row == times.size or times[row] != state.step:
                continue
            records = self.engine.measure(state, observable)
            for name, values in records.items():
                sink.record(name, row, values)
            if place == 0:
                state = self.noted(state, _metric(records, state))
        if state.step in self._saved:
            row = int(np.searchsorted(self._saved, state.step))
            for name, value in state.weights.items():
                sink.record(f"weights/{name}", row, value.detach().cpu().numpy())
        return state

    def _end_early(self, state: BlockState, sink: BlockSink) -> BlockState:
        """All have diverged: the records to come are NaN, whatever was still to be computed."""
        members = len(state.trajectories)
        for spec in self._arrays:
            for row in np.flatnonzero(spec.times > state.step):
                sink.record(spec.name, int(row), spec.filled(members, 1)[:, 0])
        return replace(state, step=self.total)

    def _describe_arrays(self, state: BlockState) -> tuple[ArraySpec, ...]:
        """Names, shapes and types of all records, read off one trajectory at time 0; the tables of trackers aside."""
        specs = []
        for observable in self.experiment.observables:
            for name, values in self.engine.measure(state, observable).items():
                times = self._times[observable.name]
                specs.append(ArraySpec(name, values.shape[1:], values.dtype.name, times))
        for name, value in state.weights.items():
            dtype = str(value.dtype).removeprefix("torch.")
            specs.append(ArraySpec(f"weights/{name}", tuple(value.shape[1:]), dtype, self._saved))
        return tuple(specs)


def divergence_note(experiment: Experiment, diverged_at: npt.NDArray[np.int64]) -> str | None:
    """One sentence on the trajectories that diverged, None if none did."""
    gone = diverged_at[diverged_at >= 0]
    if gone.size == 0:
        return None
    rate = getattr(experiment.dynamics, "learning_rate", None)
    cause = "" if rate is None else f"; learning_rate = {rate}"
    return f"{gone.size} of {diverged_at.size} trajectories diverged by step {gone.max()}{cause}"


def _metric(records: dict[str, npt.NDArray[Any]], state: BlockState) -> npt.NDArray[np.float64]:
    values = next(iter(records.values()))
    return values.astype(np.float64) if len(records) == 1 and values.ndim == 1 else state.metric


def _outcome(state: BlockState, total: int) -> npt.NDArray[np.uint8]:
    ended = FINISHED if state.step >= total else PENDING
    return np.where(state.diverged_at >= 0, DIVERGED, ended).astype(np.uint8)


def _resolved(place: str, times: Times, total: int, steps_per_epoch: int) -> npt.NDArray[np.int64]:
    """The steps of recording times; where they are refused, the message begins with their place."""
    try:
        return times.resolve(total, steps_per_epoch)
    except ValueError as error:
        message = f"{place}: {error}"
        raise ValueError(message) from error
