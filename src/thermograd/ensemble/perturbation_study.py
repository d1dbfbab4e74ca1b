"""Measure what perturbations do: branch the survivors of an ensemble once per candidate, and compare."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.driven_study import DrivenStudy
from thermograd.ensemble.ensemble_study import EnsembleTraining
from thermograd.ensemble.executors.choice import executor_of
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times
from thermograd.numerics.argument_kind import check_number, instead_of_class, value_in_words
from thermograd.numerics.whole_number import check_whole_number
from thermograd.perturbations.description import described, is_perturbation
from thermograd.perturbations.reset import Reset
from thermograd.store.perturbation_record import PerturbationRecord

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment
    from thermograd.protocols import Executor
    from thermograd.store.run import Run

Curves = npt.NDArray[np.float64]
Measured = tuple[Curves, dict[str, Curves], npt.NDArray[np.int64]]


class Training(Protocol):
    """How a study trains: an ensemble, or somebody's own code."""

    def brute_force(self, name: str, perturbation: Any, interval: int) -> Curves:
        """Values of fresh trajectories perturbed every `interval` units."""


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
        candidates: perturbations by name; for `drive(perturb=...)` whatever that function takes.
        seed: replaces the experiment's.
        record: what the last `run` or `drive` (and `verify`) measured, None before.

    Raises:
        ValueError: says which setting is wrong.

    >>> import thermograd as tg
    >>> from thermograd.perturbations import ShrinkAndPerturb
    >>> from thermograd.problems import Quadratic
    >>> candidates = {"shrink": ShrinkAndPerturb()}
    >>> settings = {"interval": 3, "horizon": 2, "trajectories": 4, "candidates": candidates}
    >>> study = PerturbationStudy(target=0.6, direction="down", **settings)  # of the training loss
    >>> print(study.run(tg.Experiment(Quadratic(), epochs=3, engine="eager")))
    4 trajectories of 3 epochs, 2 survivors followed for 2 epochs under: shrink
    """

    target: float
    direction: str = "up"
    interval: int = 20
    trajectories: int = 24
    horizon: int = 40
    candidates: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    record: PerturbationRecord | None = dataclasses.field(default=None, init=False)
    _training: Training | None = dataclasses.field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_number("target", self.target)
        if not isinstance(self.direction, str) or self.direction not in {"up", "down"}:
            message = f"direction is {self.direction!r}; use 'up' or 'down'"
            raise ValueError(message)
        candidates: object = self.candidates
        if not isinstance(candidates, Mapping):
            message = f"candidates is {value_in_words(candidates)}; give a dict from names to perturbations"
            raise ValueError(message)
        for name, candidate in self.candidates.items():
            if name == "nothing" or (name == "reset" and not isinstance(candidate, Reset)):
                message = (
                    f"the name {name!r} is taken: doing nothing and restarting always compete; use another"
                )
                raise ValueError(message)
            if isinstance(candidate, type):  # a study that is driven may have candidates of its own kind
                _refuse(name, candidate)
        for name in ("interval", "trajectories", "horizon"):
            value = getattr(self, name)
            check_whole_number(name, value, 1)
            setattr(self, name, int(value))

        check_whole_number("seed", self.seed, 0, 2**64 - 1)

    def run(
        self, experiment: Experiment, executor: Executor | None = None, *, unperturbed: Run | None = None
    ) -> PerturbationRecord:
        """Measure the candidates on an ensemble.

        Args:
            experiment: what is trained; its trajectories, length and seed are replaced by the study's.
                The first of `observe` is the value compared with the target, once an epoch.
            executor: None or "inline": a study trains here.
            unperturbed: a finished run of exactly that experiment, whose first leg is then not trained
                again (but for candidates that go back to the best state, which it does not hold); the numbers
                are the same.

        Returns:
            The record; `thermograd.advise(record)` turns it into advice.

        Raises:
            ValueError: the experiment is perturbed already, or its first observable is no number, or
                `unperturbed` is another run.
            ConfigError: an executor that works elsewhere.
        """
        if executor_of(executor).remote:
            message = (
                "executor: a study trains its branches here, in memory; give none, and run several studies, with "
                "other seeds, where several workers should be busy"
            )
            raise ConfigError(message, (("executor", message),))
        self._check_candidates()
        training = EnsembleTraining(self, experiment)
        measured = training.measure(unperturbed)
        return self._kept(training, measured, training.not_covered(), "epoch")

    def drive(
        self,
        start: Callable[[int], Any],
        train: Callable[[Any, int], Any],
        evaluate: Callable[[Any], Any],
        copy: Callable[[Any], Any] = copy.deepcopy,
        perturb: Callable[[Any, Any, int], Any] | None = None,
        *,
        unit: str = "epoch",
        resume: str | Path | None = None,
    ) -> PerturbationRecord:
        """Measure the candidates on training code of your own, one trajectory after another.

        Seeds are below 2³² and differ between trajectories and units; all branches of one survivor get the same
        ones, so candidates are compared in pairs if `train` draws its randomness from its seed. Candidates of
        `thermograd.perturbations` apply to a state that is a pair (model, optimizer) or holds them under these
        names, as attributes or keys; their fresh values come from `start`. An exception of yours passes through.

        Args:
            start: `seed -> state`, newly initialised; the state may be anything.
            train: `(state, seed) -> state` after one more unit; None means it was changed in place.
            evaluate: `state -> value`, compared with the target after each unit. NaN or infinity: diverged.
            copy: makes an independent copy of a state.
            perturb: `(state, candidate, seed) -> state`, applied instead for every candidate, whatever those are.
            unit: what one call of `train` is, for display.
            resume: a file in which each finished trajectory, with all its branches, is kept, and from which an
                interrupted study goes on. Give it on the first call too. It knows the settings of the study, not
                your functions: a change of those needs another file.

        Returns:
            The record; `thermograd.advise(record)` turns it into advice.

        Raises:
            ValueError: a function returned what it should not, a candidate cannot be applied to the state, or
                acts at every step, which cannot be seen from here.
            ExperimentMismatchError: the file is of a study with other settings.
            DamagedRunError: it is damaged.
        """
        if perturb is None:
            self._check_candidates()
        training = DrivenStudy(self, start, train, evaluate, copy, perturb, resume)
        return self._kept(training, training.measure(), training.not_covered(), unit)

    def verify(
        self, intervals: Iterable[int], candidates: Sequence[str] | None = None
    ) -> dict[str, dict[int, FirstPassageTimes]]:
        """Brute force: perturb every P epochs from fresh starts, with the training of the last `run` or `drive`.

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
        if self._training is None or self.record is None:
            message = "nothing to verify yet; call run(experiment) or drive(...) first"
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
                values = self._training.brute_force(name, known[name], self._checked_interval(interval))
                verified.setdefault(name, {})[int(interval)] = values
                passages[name][int(interval)] = first_passage_times(
                    values, self.target, direction=self.direction, unit=self.record.unit
                )
        self.record = replace(self.record, verified=verified)
        return passages

    def _check_candidates(self) -> None:
        for name, candidate in self.candidates.items():
            if not is_perturbation(candidate):
                _refuse(name, candidate)

    def _checked_interval(self, interval: int) -> int:
        length = self.interval + self.horizon
        if not 1 <= interval <= length:
            message = f"interval {interval} is outside 1 to {length} (interval + horizon of the study); take one of these, or a longer horizon"
            raise ValueError(message)
        return int(interval)

    def _kept(
        self, training: Training, measured: Measured, not_covered: Mapping[str, str], unit: str
    ) -> PerturbationRecord:
        curves, residual, rows = measured
        self._training = training
        self.record = PerturbationRecord(
            unperturbed=curves,
            residual=residual,
            survivor=rows,
            target=self.target,
            direction=self.direction,
            interval=self.interval,
            horizon=self.horizon,
            unit=unit,
            seed=self.seed,
            candidates={name: described(candidate) for name, candidate in self.candidates.items()},
            not_covered=not_covered,
        )
        return self.record

    def reached(self, values: Curves) -> npt.NDArray[np.bool_]:
        """Where values are at the target or beyond it."""
        return values >= self.target if self.direction == "up" else values <= self.target


def _refuse(name: str, candidate: Any) -> NoReturn:
    message = f"candidate {name!r} is {value_in_words(candidate)}"
    message += instead_of_class(candidate) or "; give one of thermograd.perturbations, or a function like one"
    raise ValueError(message)
