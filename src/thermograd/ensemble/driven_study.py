"""A study of somebody's own training: trajectory after trajectory, each kept as soon as it is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.best import directions_of
from thermograd.ensemble.own_training import OwnTraining
from thermograd.perturbations.description import described, why_not_covered
from thermograd.store.study_log import StudyLog

if TYPE_CHECKING:
    from thermograd.ensemble.perturbation_study import PerturbationStudy

Curves = npt.NDArray[np.float64]


class DrivenStudy:
    """How a study trains when it is given three functions.

    Args:
        study: its settings.
        start: `seed -> state`.
        train: `(state, seed) -> state` after one more unit.
        evaluate: `state -> value`.
        copy: makes an independent copy of a state.
        perturb: `(state, candidate, seed) -> state`, or None for the built-in way.
        resume: where finished trajectories are kept, or None.

    Raises:
        ValueError: a candidate acts at every step, which cannot be seen from here; or, to be resumed, has no name
            that another process would know it by.
        ExperimentMismatchError: the file is of a study with other settings.
    """

    def __init__(
        self,
        study: PerturbationStudy,
        start: Callable[[int], Any],
        train: Callable[[Any, int], Any],
        evaluate: Callable[[Any], Any],
        copy: Callable[[Any], Any],
        perturb: Callable[[Any, Any, int], Any] | None,
        resume: str | Path | None,
    ) -> None:
        for name, candidate in study.candidates.items():
            if perturb is None and getattr(candidate, "every_step", False):
                message = (
                    f"candidate {name!r} ({described(candidate)}) acts at every optimiser step, which drive() does "
                    "not see; use run(experiment), or apply it in your own way with perturb="
                )
                raise ValueError(message)
        self._study = study
        self._training = OwnTraining(
            start,
            train,
            evaluate,
            copy,
            perturb,
            study.seed,
            study.direction,
            study.target,
            directions_of(study.candidates.values()),
        )
        if resume is not None:
            _check_names(study)
        self._log = None if resume is None else StudyLog(resume, _settings(study))

    def measure(self) -> tuple[Curves, dict[str, Curves], npt.NDArray[np.int64]]:
        """Unperturbed values, per candidate the values after its kick, and which trajectories survived."""
        study = self._study
        pieces = [self._kept(self._trajectory, "trajectory", number) for number in range(study.trajectories)]
        survivors = [number for number, piece in enumerate(pieces) if piece["residual"] is not None]
        residual = {
            name: _table([pieces[number]["residual"][name] for number in survivors], study.horizon)
            for name in study.candidates
        }
        curves = _table([piece["unperturbed"] for piece in pieces], study.interval)
        return curves, residual, np.array(survivors, np.int64)

    def not_covered(self) -> dict[str, str]:
        """Per candidate that Eq 9 does not cover, why; one unit counts as one step."""
        study = self._study
        reasons = {name: why_not_covered(entry, study.interval) for name, entry in study.candidates.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def brute_force(self, name: str, perturbation: Any, interval: int) -> Curves:
        """Values of as many other trajectories, perturbed every `interval` units from fresh starts."""
        study = self._study
        length = study.interval + study.horizon

        def one(number: int) -> list[float]:
            branch = self._training.begun(number)
            values = self._training.follow(branch, min(interval, length))
            while self._training.survives(values) and len(values) < length:
                self._training.kick(branch, perturbation)
                values += self._training.follow(branch, min(interval, length - len(values)))
            return values

        rows = [
            self._kept(one, "verified", number, name, interval)
            for number in range(study.trajectories, 2 * study.trajectories)
        ]
        return _table(rows, length)

    def _trajectory(self, number: int) -> dict[str, Any]:
        """One trajectory with all its branches."""
        study, training = self._study, self._training
        trunk = training.begun(number)
        values = training.follow(trunk, study.interval)
        if not training.survives(values):
            return {"unperturbed": values, "residual": None}
        residual = {}
        for name, candidate in study.candidates.items():
            branch = training.branched(trunk)
            training.kick(branch, candidate)
            residual[name] = training.follow(branch, study.horizon)
        return {"unperturbed": values, "residual": residual}

    def _kept(self, piece: Callable[[int], Any], kind: str, number: int, *more: str | int) -> Any:
        """A piece from the file, or made now and kept there."""
        if self._log is None:
            return piece(number)
        found = self._log.get(kind, number, *more)
        if found is None:
            found = piece(number)
            self._log.put(kind, number, *more, piece=found)
        return found


def _check_names(study: PerturbationStudy) -> None:
    """A lambda, or an object shown by its address, cannot be told from another one when the study is resumed."""
    for name, candidate in study.candidates.items():
        words = described(candidate)
        if " at 0x" in words or "<lambda>" in words:
            message = (
                f"candidate {name!r} is {words}, which a resumed study could not tell from another one; use a named "
                "function or a dataclass, or leave resume= out"
            )
            raise ValueError(message)


def _settings(study: PerturbationStudy) -> dict[str, Any]:
    """What a trajectory depends on, its number aside."""
    return {
        "target": float(study.target),
        "direction": study.direction,
        "interval": int(study.interval),
        "horizon": int(study.horizon),
        "seed": int(study.seed),
        "candidates": {name: described(candidate) for name, candidate in study.candidates.items()},
    }


def _table(rows: list[list[float]], columns: int) -> Curves:
    """Values after each unit; NaN after arrival, infinite after divergence."""
    table = np.full((len(rows), columns), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
        if values and np.isinf(values[-1]):
            row[len(values) :] = values[-1]
    return table
