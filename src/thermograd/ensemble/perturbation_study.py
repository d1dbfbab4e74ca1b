"""Measure what perturbations do: branch the survivors of an ensemble once per candidate, and compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.block import BlockState
from thermograd.ensemble.executors import check_executor
from thermograd.ensemble.experiment import Experiment, differing_fields
from thermograd.ensemble.identity import describe, differing
from thermograd.ensemble.kicks import Schedule, SingleKick
from thermograd.ensemble.training_loop import Trainer
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times
from thermograd.numerics.log_times import Epochs
from thermograd.perturbations.reset import Reset
from thermograd.store.memory import MemoryStorage
from thermograd.store.perturbation_record import PerturbationRecord

if TYPE_CHECKING:
    from thermograd.protocols import Executor
    from thermograd.store.run import Run

Curves = npt.NDArray[np.float64]


@dataclass(eq=False)
class PerturbationStudy:
    """Which perturbation, how often, and is it worth it: the measurement behind `thermograd.advise`.

    N trajectories train until the first observable meets the target, or for `interval` epochs (P*). The
    state of each survivor at P* is branched once per candidate, perturbed once, and trained until the
    target or for `horizon` epochs more. All branches of one survivor share all randomness, so candidates
    are compared in pairs. Meir, Keidar, Reuveni, Hirshberg (arXiv 2502.04121): τ̄ of Eq 9 is the mean
    residual time of the branches.

    Attributes:
        target: value of the first observable to be reached.
        direction: "up", reached at ≥ target, or "down", at ≤ target.
        interval: P*, epochs before the perturbation.
        trajectories: N.
        horizon: epochs after it.
        candidates: perturbations by name.
        seed: replaces the experiment's.
        record: what the last `run` (and `verify`) measured, None before.

    Raises:
        ValueError: says which setting is wrong.
    """

    target: float
    direction: str = "up"
    interval: int = 20
    trajectories: int = 24
    horizon: int = 40
    candidates: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    record: PerturbationRecord | None = dataclasses.field(default=None, init=False)
    _experiment: Experiment | None = dataclasses.field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not np.isfinite(self.target):
            message = f"target is {self.target!r}; it must be a finite number"
            raise ValueError(message)
        if self.direction not in {"up", "down"}:
            message = f"direction is {self.direction!r}; use 'up' or 'down'"
            raise ValueError(message)
        candidates: object = self.candidates
        if not isinstance(candidates, Mapping):
            message = f"candidates is {candidates!r}; give a dict from names to perturbations"
            raise ValueError(message)
        for name, candidate in self.candidates.items():
            if name == "nothing" or (name == "reset" and not isinstance(candidate, Reset)):
                message = (
                    f"the name {name!r} is taken: doing nothing and restarting always compete; use another"
                )
                raise ValueError(message)
            if isinstance(candidate, type) or not callable(getattr(candidate, "apply", candidate)):
                message = f"candidate {name!r} is {candidate!r}; give a perturbation, or a function like one"
                raise ValueError(message)
        for name in ("interval", "trajectories", "horizon"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                message = f"{name} is {value!r}; it must be a whole number, 1 or larger"
                raise ValueError(message)

    def run(
        self, experiment: Experiment, executor: Executor | None = None, *, unperturbed: Run | None = None
    ) -> PerturbationRecord:
        """Measure the candidates on an ensemble.

        Args:
            experiment: what is trained; its trajectories, length and seed are replaced by the study's.
                The first of `observe` is the value compared with the target, once an epoch.
            executor: who trains; None = here.
            unperturbed: a finished run of exactly that experiment, whose first leg is then not trained
                again (but for candidates that go back to the best state, which it does not hold); the numbers
                are the same.

        Returns:
            The record; `thermograd.advise(record)` turns it into advice.

        Raises:
            ValueError: the experiment is perturbed already, or its first observable is no number, or
                `unperturbed` is another run.
        """
        check_executor(executor)
        self._experiment = self._prepared(experiment)
        trainer = Trainer(self._experiment, self.candidates.values())
        header = trainer.header()
        curves = np.full((self.trajectories, self.interval), np.nan)
        residual = {name: np.full((self.trajectories, self.horizon), np.nan) for name in self.candidates}
        survivors: list[int] = []
        for block in range(header.blocks):
            members = header.block(block)
            if unperturbed is None or trainer.watches_best:
                start = trainer.engine.start(members)
                leg = self._arrivals(trainer, start, self.interval, curves, first_row=0)
            else:
                leg = self._finished_leg(trainer, unperturbed, block, curves)
            survivors += leg.trajectories
            for name, candidate in self.candidates.items():
                kick = SingleKick(candidate, leg.step)
                self._arrivals(trainer, leg, self.horizon, residual[name], first_row=0, kicks=kick)
        rows = np.array(survivors, np.int64)
        self.record = PerturbationRecord(
            unperturbed=curves,
            residual={name: values[rows] for name, values in residual.items()},
            survivor=rows,
            target=self.target,
            direction=self.direction,
            interval=self.interval,
            horizon=self.horizon,
            seed=self.seed,
            candidates={name: repr(candidate) for name, candidate in self.candidates.items()},
        )
        return self.record

    def verify(
        self, intervals: Iterable[int], candidates: Sequence[str] | None = None
    ) -> dict[str, dict[int, FirstPassageTimes]]:
        """Brute force: perturb every P epochs from fresh starts, with the training of the last `run`.

        The trajectories are others than those of the study (numbered from N on), so that agreement with
        a prediction is evidence. They run to the target, or for `interval + horizon` epochs.

        Args:
            intervals: P, in epochs.
            candidates: names; all of the study's if None. "reset" (start again) is always known.

        Returns:
            First-passage times by candidate and interval; also kept in `record.verified`.

        Raises:
            ValueError: nothing was run before, or an unknown candidate or interval.
        """
        if self._experiment is None or self.record is None:
            message = "nothing to verify yet; call run(experiment) first"
            raise ValueError(message)
        known = {"reset": Reset(), **self.candidates}
        verified = {name: dict(curves) for name, curves in self.record.verified.items()}
        passages: dict[str, dict[int, FirstPassageTimes]] = {}
        intervals = tuple(intervals)
        for name in self.candidates if candidates is None else candidates:
            if name not in known:
                message = f"no candidate {name!r}; known: {', '.join(known)}"
                raise ValueError(message)
            passages[name] = {}
            for interval in intervals:
                values = self._brute_force(self._experiment, known[name], int(interval))
                verified.setdefault(name, {})[int(interval)] = values
                passages[name][int(interval)] = first_passage_times(
                    values, self.target, direction=self.direction
                )
        self.record = replace(self.record, verified=verified)
        return passages

    def _prepared(self, experiment: Experiment) -> Experiment:
        if experiment.perturbation is not None:
            message = "the experiment is perturbed already; the study perturbs by itself: leave perturb= out"
            raise ValueError(message)
        return replace(
            experiment, trajectories=self.trajectories, steps=None, epochs=self.interval, seed=self.seed
        )

    def _brute_force(self, experiment: Experiment, perturbation: Any, interval: int) -> Curves:
        length = self.interval + self.horizon
        if not 1 <= interval <= length:
            message = f"interval {interval} is outside 1 to {length} epochs (interval + horizon of the study)"
            raise ValueError(message)
        if not isinstance(experiment.start, str):
            message = (
                "brute force needs fresh starts, but the experiment starts from given weights; use "
                "start='independent' or 'shared'"
            )
            raise ValueError(message)
        trainer = Trainer(
            replace(
                experiment,
                trajectories=2 * self.trajectories,
                epochs=length,
                perturbation=perturbation,
                perturb=Epochs(interval),
            ),
            from_first_kick=True,
        )
        curves = np.full((self.trajectories, length), np.nan)
        members = range(self.trajectories, 2 * self.trajectories)
        for first in range(0, self.trajectories, experiment.block_size):
            start = trainer.engine.start(members[first : first + experiment.block_size])
            self._arrivals(trainer, start, length, curves, first_row=self.trajectories)
        return curves

    def _arrivals(
        self,
        trainer: Trainer,
        state: BlockState,
        epochs: int,
        curves: Curves,
        *,
        first_row: int,
        kicks: Schedule | None = None,
    ) -> BlockState:
        """Train for some epochs, writing the value after each into `curves`.

        Who arrives goes no further; who diverges is infinite from there on: known never to arrive.
        """
        per_epoch = trainer.experiment.steps_per_epoch
        observable = trainer.experiment.observables[0]
        begin = state.step

        def visit(current: BlockState) -> BlockState:
            epoch, inside = divmod(current.step - begin, per_epoch)
            if inside:
                return current
            values = _scalars(trainer.engine.measure(current, observable))
            rows = np.array(current.trajectories, np.int64) - first_row
            diverged = current.diverged_at >= 0
            curves[rows, epoch - 1] = values
            curves[rows[diverged], epoch - 1 :] = np.inf
            going_on = ~self._reached(values) & ~diverged
            current = trainer.noted(current, values)
            return current if going_on.all() else current.select(np.flatnonzero(going_on))

        return trainer.follow(
            state, until=begin + epochs * per_epoch, visit=visit, every=per_epoch, kicks=kicks
        )

    def _finished_leg(self, trainer: Trainer, run: Run, block: int, curves: Curves) -> BlockState:
        """The survivors at P* and the values before, read from a finished run of the same experiment."""
        experiment = trainer.experiment
        different = _differences(run, experiment)
        if different:
            message = f"unperturbed= is a run of another experiment; they differ in {different}"
            raise ValueError(message)
        name = experiment.observables[0].name
        epochs = experiment.steps_per_epoch * np.arange(1, self.interval + 1)
        if name not in run.names or not np.isin(epochs, run.times(name)).all():
            message = f"unperturbed= must hold {name!r} at the end of every epoch; got {run}"
            raise ValueError(message)
        checkpoint = run.checkpoint(block)
        if checkpoint is None or checkpoint.step != trainer.total:
            message = f"unperturbed= is not finished: block {block} has no final checkpoint"
            raise ValueError(message)
        members = trainer.header().block(block)
        values = run.array(name, slice(members.start, members.stop))[
            :, np.searchsorted(run.times(name), epochs)
        ]
        values = values.astype(np.float64)
        reached = self._reached(values)
        arrived = reached.any(axis=1)
        diverged = checkpoint.arrays["diverged_at"] >= 0
        values[diverged] = np.where(np.isnan(values[diverged]), np.inf, values[diverged])
        last = np.where(arrived, reached.argmax(axis=1), self.interval - 1)
        curves[members.start : members.stop] = np.where(
            np.arange(self.interval) <= last[:, None], values, np.nan
        )
        state = trainer.engine.start(members).restored(checkpoint)
        return state.select(np.flatnonzero(~arrived & ~diverged))

    def _reached(self, values: Curves) -> npt.NDArray[np.bool_]:
        return values >= self.target if self.direction == "up" else values <= self.target


def _differences(run: Run, experiment: Experiment) -> str:
    """The fields in which the experiment of a run differs, "" if it is the same."""
    if isinstance(run.source, MemoryStorage):
        return ", ".join(differing_fields(run.source.trainer.experiment, experiment))
    given = describe(experiment)
    recorded = run.manifest or {}
    if recorded.get("identity") == given.identity:
        return ""
    return "; ".join(differing(recorded.get("experiment", {}), given.content))


def _scalars(records: dict[str, npt.NDArray[Any]]) -> Curves:
    if len(records) != 1 or next(iter(records.values())).ndim != 1:
        message = (
            f"the first of observe must be one number per trajectory; {', '.join(records)} is not. "
            "Put Accuracy() or Loss() first"
        )
        raise ValueError(message)
    return next(iter(records.values())).astype(np.float64)
