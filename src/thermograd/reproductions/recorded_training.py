"""Runs that somebody recorded, left alone and perturbed every so often: what they say, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.perturbation_evidence import PerturbationEvidence, gather_evidence
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    Plateau,
    QuasiSteadyState,
    first_passage_times,
    mean_residual_time,
    plateau_test,
    quasi_steady_state,
)
from thermograd.problems.data_folder import found_files
from thermograd.quantities import Estimate, Prediction
from thermograd.report.branches import branches, branches_of
from thermograd.report.figure import Figure
from thermograd.report.first_passage import survival
from thermograd.report.plateau import plateau
from thermograd.report.protocols import mean_values
from thermograd.report.relaxation import cramer_von_mises, quantile_deviation, quasi_steady
from thermograd.report.speed_up import speed_up
from thermograd.report.survivors import survivors
from thermograd.reproductions.agreement import where_it_claims_to_hold
from thermograd.reproductions.reproduction import Row
from thermograd.store.npz_array import read_npz

Array = npt.NDArray[Any]
FOLDER = "firstpassage/dev"
KICK = "shrink and perturb"


@dataclass(frozen=True, eq=False)
class RecordedTraining:
    """Recorded runs of one training, unperturbed and perturbed after every P-th epoch.

    Attributes:
        unperturbed: `(trajectory, epoch)` values.
        perturbed: P -> `(trajectory, epoch)` values; runs go on past the target.
        target: the value to reach.
        direction: "up" or "down".
        measured_at: P*, the interval at which the residual time of Eq. 9 is measured.
        window: of the quasi-steady state.
        quantity: axis title of the values, with unit.
    """

    unperturbed: Array
    perturbed: Mapping[int, Array]
    target: float
    direction: str
    measured_at: int
    window: tuple[int, int]
    quantity: str

    @cached_property
    def passages(self) -> FirstPassageTimes:
        """First-passage times of the unperturbed runs."""
        return first_passage_times(self.unperturbed, self.target, direction=self.direction)

    @cached_property
    def tried(self) -> dict[int, FirstPassageTimes]:
        """First-passage times of the perturbed runs."""
        return {
            interval: first_passage_times(values, self.target, direction=self.direction)
            for interval, values in self.perturbed.items()
        }

    @cached_property
    def residuals(self) -> dict[int, Estimate]:
        """Mean residual time after the first perturbation, by interval."""
        return {interval: mean_residual_time(times, interval) for interval, times in self.tried.items()}

    @cached_property
    def plateau(self) -> Plateau:
        """Whether the residual time depends on the interval."""
        return plateau_test(self.residuals)

    @cached_property
    def steady(self) -> QuasiSteadyState:
        """The survivors of the unperturbed runs."""
        return quasi_steady_state(self.unperturbed, self.passages, window=self.window)

    @cached_property
    def evidence(self) -> PerturbationEvidence:
        """What advice rests on, the residual time being that of P*."""
        kicked = {KICK: (self.perturbed[self.measured_at], self.measured_at)}
        return gather_evidence(self.unperturbed, kicked, target=self.target, direction=self.direction)

    @property
    def prediction(self) -> Prediction:
        """Eq. 9 for every interval up to P*."""
        relaxed = self.evidence.measured[KICK].relaxed
        return where_it_claims_to_hold(self.evidence.curves[KICK], relaxed, self.plateau)

    def figures(self, shown: list[int], protocols_at: int) -> list[Figure]:
        """The figures of the paper and of its supplement, as far as one recording gives them.

        Args:
            shown: intervals whose branches are drawn.
            protocols_at: the interval whose runs are compared with those left alone.
        """
        quantity, target = self.quantity, self.target
        alive = {interval: self.tried[interval].time > interval for interval in shown}
        drawn = {
            f"P = {interval}": branches_of(
                f"P = {interval}", self.perturbed[interval], alive[interval], interval
            )
            for interval in shown
        }
        protocols = {
            "left alone": self.unperturbed,
            f"{KICK} every {protocols_at} epochs": self.perturbed[protocols_at],
        }
        found = self.evidence
        return [
            survival(self.passages, f"the target {target:g}", found.restricted, found.extrapolated),
            survivors(self.unperturbed, self.passages, target, quantity=quantity),
            quasi_steady(self.steady),
            quantile_deviation(self.steady),
            cramer_von_mises(self.steady),
            *branches(drawn, quantity=quantity),
            plateau(self.plateau, self.residuals),
            speed_up(found, {KICK: self.tried}),
            mean_values(protocols, target, what=f"perturbed every {protocols_at} epochs", quantity=quantity),
        ]

    def facts(self) -> list[tuple[str, str]]:
        """What was read, for the page."""
        runs = ", ".join(f"{len(values)} at P = {interval}" for interval, values in self.perturbed.items())
        sign = "at least" if self.direction == "up" else "at most"
        return [
            ("Unperturbed", f"{len(self.unperturbed)} recorded runs of {self.unperturbed.shape[1]} epochs"),
            ("Perturbed", f"recorded runs: {runs}"),
            ("Target", f"{self.quantity} {sign} {self.target:g}: {self.passages}"),
            (
                "Counting",
                "times are epochs completed; the paper counts from 0, so its times are ours minus 1",
            ),
        ]


def recorded(file: str, *names: str) -> list[Array]:
    """Arrays of a recorded file, from the folder that THERMOGRAD_DATA names.

    Args:
        file: name of an npz in the subfolder `firstpassage/dev`.
        *names: of the arrays.

    Returns:
        The arrays, in that order.

    Raises:
        MissingDataError: the variable is not set, or the file is not there.
        ConfigError: the file does not hold them.
        DamagedRunError: the file is cut short.
    """
    (path,) = found_files(FOLDER, [[file]])
    return [read_npz(path, name, None)[1] for name in names]


def plateau_row(training: RecordedTraining) -> Row:
    """Whether the residual time is the same at every interval, or at least within 30 %.

    Args:
        training: the recorded runs.

    Returns:
        The trend, with the verdict of `plateau_test`.
    """
    found = training.plateau
    quantity = "trend of the residual time (share of it, per decade of P)"
    return Row(quantity, "a plateau", replace(found.trend, note=""), found.verdict)


def percent(values: Array) -> Array:
    """Accuracies that were stored in per cent times 100.

    >>> percent(np.array([7205], np.uint16))
    array([72.05])
    """
    return np.asarray(values, np.float64) / 100.0
