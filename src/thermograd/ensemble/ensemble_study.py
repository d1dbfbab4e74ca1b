"""A study on an ensemble: the survivors of a block are branched together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.block import BlockState
from thermograd.ensemble.experiment import Experiment, differing_fields
from thermograd.ensemble.identity import describe, differing
from thermograd.ensemble.kicks import Schedule, SingleKick
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import ConfigError
from thermograd.numerics.log_times import Epochs
from thermograd.perturbations.description import why_not_covered
from thermograd.store.memory import MemoryStorage

if TYPE_CHECKING:
    from thermograd.ensemble.perturbation_study import PerturbationStudy
    from thermograd.store.run import Run

Curves = npt.NDArray[np.float64]


class EnsembleTraining:
    """How a study trains when it is given an experiment.

    Args:
        study: its settings.
        experiment: what is trained; its trajectories, length and seed are replaced by the study's.

    Raises:
        ValueError: the experiment is perturbed already.
        ConfigError: a ValueError: no value of its first observable can reach the target.
    """

    def __init__(self, study: PerturbationStudy, experiment: Experiment) -> None:
        self._study = study
        self._experiment = _prepared(study, experiment)

    def measure(
        self, unperturbed: Run | None = None
    ) -> tuple[Curves, dict[str, Curves], npt.NDArray[np.int64]]:
        """Unperturbed values, per candidate the values after its kick, and which trajectories survived.

        Args:
            unperturbed: a finished run of exactly this experiment, whose first leg is then not trained again.

        Returns:
            As a `PerturbationRecord` holds them.

        Raises:
            ValueError: the first observable is no number, or `unperturbed` is another run.
        """
        study = self._study
        trainer = Trainer(self._experiment, study.candidates.values())
        header = trainer.header()
        curves = np.full((study.trajectories, study.interval), np.nan)
        residual = {name: np.full((study.trajectories, study.horizon), np.nan) for name in study.candidates}
        survivors: list[int] = []
        for block in range(header.blocks):
            members = header.block(block)
            if unperturbed is None or trainer.watches_best:
                leg = self._arrivals(trainer, _started(trainer, members), study.interval, curves)
            else:
                leg = self._finished_leg(trainer, unperturbed, block, curves)
            survivors += leg.trajectories
            for name, candidate in study.candidates.items():
                self._arrivals(
                    trainer, leg, study.horizon, residual[name], kicks=SingleKick(candidate, leg.step)
                )
        rows = np.array(survivors, np.int64)
        return curves, {name: values[rows] for name, values in residual.items()}, rows

    def not_covered(self) -> dict[str, str]:
        """Per candidate that Eq 9 does not cover, why."""
        steps = self._study.interval * self._experiment.steps_per_epoch
        reasons = {name: why_not_covered(entry, steps) for name, entry in self._study.candidates.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def brute_force(self, name: str, perturbation: Any, interval: int) -> Curves:
        """Values of as many other trajectories, perturbed every `interval` epochs from fresh starts.

        A perturbation that acts at every step begins with the first kick: before it training is unperturbed.

        Raises:
            ValueError: the experiment starts from given weights.
        """
        del name
        study, experiment = self._study, self._experiment
        length = study.interval + study.horizon
        if not isinstance(experiment.start, str):
            message = (
                "brute force needs fresh starts, but the experiment starts from given weights; use "
                "start='independent' or 'shared'"
            )
            raise ValueError(message)
        trainer = Trainer(
            replace(
                experiment,
                trajectories=2 * study.trajectories,
                epochs=length,
                perturbation=perturbation,
                perturb=Epochs(interval),
            ),
            from_first_kick=True,
        )
        curves = np.full((study.trajectories, length), np.nan)
        members = range(study.trajectories, 2 * study.trajectories)
        for first in range(0, study.trajectories, experiment.block_size):
            start = _started(trainer, members[first : first + experiment.block_size])
            self._arrivals(trainer, start, length, curves, first_row=study.trajectories)
        return curves

    def _arrivals(
        self,
        trainer: Trainer,
        state: BlockState,
        epochs: int,
        curves: Curves,
        *,
        first_row: int = 0,
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
            going_on = ~self._study.reached(values) & ~diverged
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
        epochs = experiment.steps_per_epoch * np.arange(1, self._study.interval + 1)
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
        reached = self._study.reached(values)
        arrived = reached.any(axis=1)
        diverged = checkpoint.arrays["diverged_at"] >= 0
        values[diverged] = np.where(np.isnan(values[diverged]), np.inf, values[diverged])
        last = np.where(arrived, reached.argmax(axis=1), self._study.interval - 1)
        curves[members.start : members.stop] = np.where(
            np.arange(self._study.interval) <= last[:, None], values, np.nan
        )
        state = trainer.engine.start(members).restored(checkpoint)
        return state.select(np.flatnonzero(~arrived & ~diverged))


def _started(trainer: Trainer, members: range) -> BlockState:
    """Trajectories at time 0, whose value counts where the best state is kept, as in any run."""
    start = trainer.engine.start(members)
    if not trainer.watches_best:
        return start
    return trainer.noted(start, _scalars(trainer.engine.measure(start, trainer.experiment.observables[0])))


def _prepared(study: PerturbationStudy, experiment: Experiment) -> Experiment:
    if experiment.perturbation is not None:
        message = "the experiment is perturbed already; the study perturbs by itself: leave perturb= out"
        raise ValueError(message)
    _check_target(study, experiment)
    return replace(
        experiment, trajectories=study.trajectories, steps=None, epochs=study.interval, seed=study.seed
    )


def _check_target(study: PerturbationStudy, experiment: Experiment) -> None:
    """Refuse a target that no value of the first observable can have, as 95 for an accuracy."""
    first = next(iter(experiment.observables), None)
    low, high = getattr(first, "bounds", (-math.inf, math.inf))
    if low <= study.target <= high:
        return
    meant = study.target / 100
    guess = f"; did you mean {meant:g}?" if low <= meant <= high else ""
    name = getattr(first, "name", "the first observable")
    message = f"target is {study.target:g}, but {name} is between {low:g} and {high:g}{guess}"
    raise ConfigError(message)


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
