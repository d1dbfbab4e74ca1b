"""A perturbation study that is trained here: predictions first, then brute force, then the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.perturbation_evidence import RESET, PerturbationEvidence, gather_evidence
from thermograd.advisor.perturbation_interval import advise_on, recommended
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.perturbation_study import PerturbationStudy
from thermograd.ensemble.run import run
from thermograd.errors import CensoredError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    first_passage_times,
    mean_residual_time,
    plateau_test,
    quasi_steady_state,
    restricted_mean,
)
from thermograd.numerics.log_times import Epochs
from thermograd.quantities import Advice, Estimate, Verdict
from thermograd.report.branches import branches, branches_of
from thermograd.report.figure import Figure
from thermograd.report.plateau import plateau
from thermograd.report.protocols import mean_values
from thermograd.report.ranking import number_text
from thermograd.report.relaxation import cramer_von_mises, quantile_deviation
from thermograd.report.study import study as figures_of_study
from thermograd.reproductions.agreement import (
    brute_force_rows,
    difference,
    renewal_rows,
    where_it_claims_to_hold,
)
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.theory.first_passage import perturbed_mean

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class LiveStudy:
    """What to train and what to ask of it.

    Attributes:
        name: of the experiment.
        title: heading of the page.
        experiment: what is trained; its first observable is compared with the target.
        study: target, P*, candidates.
        intervals: P at which brute force is tried, besides what is recommended.
        protocols_at: the interval of the runs that go on past the target.
        quantity: axis title of the values, with unit.
        facts: what was chosen, and why.
    """

    name: str
    title: str
    experiment: Experiment
    study: PerturbationStudy
    intervals: tuple[int, ...]
    protocols_at: int
    quantity: str
    facts: tuple[tuple[str, str], ...] = ()

    def stages(self, settings: Settings, first_leg: Any = None) -> Stages:
        """Train, predict, then try by brute force, one interval after another.

        Args:
            settings: `say` is told what is being done.
            first_leg: the unperturbed run of the study, where it exists already.

        Yields:
            The table as far as it is known, at last with all figures.
        """
        study, training = self.study, self.experiment
        if first_leg is None:
            settings.say(f"training {study.trajectories} networks for {study.interval} epochs")
            first_leg = run(
                replace(training, trajectories=study.trajectories, epochs=study.interval, seed=study.seed)
            )
        settings.say(
            f"branching those that have not arrived, once per candidate: {', '.join(study.candidates)}"
        )
        found = Found(study.run(training, unperturbed=first_leg))
        yield self._stage(found, complete=False)
        for interval in self._tried(found):
            settings.say(
                f"brute force: {study.trajectories} fresh networks per candidate, every {interval} epochs"
            )
            study.verify([interval], [*study.candidates, RESET])
            assert study.record is not None  # run() made it
            found = Found(study.record)
            yield self._stage(found, complete=False)
        settings.say(
            f"training on past the target, left alone and perturbed every {self.protocols_at} epochs"
        )
        values = {"left alone": _values(first_leg, training)} | {
            f"{name} every {self.protocols_at} epochs": self._protocol(candidate)
            for name, candidate in study.candidates.items()
        }
        settings.say("drawing")
        yield self._stage(found, self._figures(found, values), complete=True)

    def _tried(self, found: Found) -> list[int]:
        chosen = recommended(found.advice)
        extra = {chosen.interval} if chosen and chosen.interval else set()
        return sorted({*self.intervals, *extra})

    def _protocol(self, candidate: Any) -> Array:
        kicked = replace(
            self.experiment,
            trajectories=self.study.trajectories,
            epochs=self.study.interval,
            seed=self.study.seed,
            perturbation=candidate,
            perturb=Epochs(self.protocols_at),
        )
        return _values(run(kicked), self.experiment)

    def _stage(self, found: Found, figures: tuple[Figure, ...] = (), *, complete: bool) -> Reproduction:
        rows = tuple(table(found))
        record = found.record
        facts = (
            ("Trained here", f"{len(record.unperturbed)} networks, P* = {record.interval} epochs"),
            (
                "Target",
                f"{self.quantity} {record.target:g}, {record.direction}ward: {found.evidence.passages}",
            ),
            *((f"Candidate {name}", text) for name, text in record.candidates.items()),
            ("Advice", found.advice.recommendation),
            *self.facts,
        )
        return Reproduction("first_passage", self.name, self.title, rows, figures, facts, complete)

    def _figures(self, found: Found, values: Mapping[str, Array]) -> tuple[Figure, ...]:
        record, at, quantity = found.record, self.protocols_at, self.quantity
        drawn = list(figures_of_study(record, quantity))
        speed_up = drawn.pop()
        if record.survivor.size:
            window = (max(1, -(-record.interval // 5)), record.interval)
            steady = quasi_steady_state(record.unperturbed, found.evidence.passages, window=window)
            drawn += [quantile_deviation(steady), cramer_von_mises(steady)]
        direction = record.direction
        alive = {
            name: first_passage_times(table, record.target, direction=direction).time > at
            for name, table in values.items()
        }
        shown = {
            name: branches_of(name, table, alive[name], at)
            for name, table in values.items()
            if alive[name].any()
        }
        drawn += branches(shown, quantity=quantity)[:1]
        for name, residuals in found.residuals.items():
            drawn.append(plateau(plateau_test(residuals), residuals, name=name))
        what = f"perturbed every {at} epochs"
        return (*drawn, speed_up, mean_values(values, record.target, what=what, quantity=quantity))


@dataclass(frozen=True, eq=False)
class Found:
    """What a study has recorded so far, and what follows from it."""

    record: PerturbationRecord

    @cached_property
    def evidence(self) -> PerturbationEvidence:
        """What the predictions rest on."""
        return gather_evidence(self.record)

    @cached_property
    def advice(self) -> Advice:
        """What the advisor says."""
        return advise_on(self.evidence)

    @cached_property
    def residuals(self) -> dict[str, dict[int, Estimate]]:
        """Mean residual time by candidate and interval: at P* by branching, elsewhere by brute force."""
        found: dict[str, dict[int, Estimate]] = {}
        for name, perturbation in self.evidence.measured.items():
            known = {} if perturbation.optimistic else {perturbation.interval: perturbation.residual}
            for interval, times in self.evidence.verified.get(name, {}).items():
                try:
                    known[interval] = mean_residual_time(times, interval)
                except (CensoredError, ValueError):
                    continue  # some never arrived, or nobody was left to perturb: not a mean
            # In a resample that draws no survivor the residual time is unbounded: too few for an error bar.
            known = {at: one for at, one in known.items() if np.isfinite(np.asarray(one.samples)).all()}
            if known:
                found[name] = known
        return found


def table(found: Found) -> Iterator[Row]:
    """The rows: who arrives, whether they settle, the residual times, and each prediction beside brute force.

    Args:
        found: the study.

    Yields:
        One row after the other.
    """
    evidence = found.evidence
    yield Row(
        "unperturbed runs that arrived", "another training", str(evidence.passages), _open("not in the paper")
    )
    for name, perturbation in evidence.measured.items():
        at = f"at P = {perturbation.interval}"
        yield Row(
            f"mean residual time, {name}, {at} (epochs)",
            "another training",
            perturbation.residual,
            _open(perturbation.relaxed.text),
        )
    for name, residuals in found.residuals.items():
        compared = plateau_test(residuals)
        trend = replace(compared.trend, note="")
        yield Row(
            f"trend of the residual time, {name} (share, per decade of P)",
            "a plateau",
            trend,
            compared.verdict,
        )
    yield from _predictions(found)
    yield from _identity(evidence)
    earliest = int(evidence.passages.time[~evidence.passages.reached].min(initial=evidence.passages.horizon))
    restarts = [at for at in (10, 20, 40) if at <= earliest and float(evidence.survival.value[at]) < 1]
    yield from renewal_rows(evidence.passages, evidence.curves[RESET], restarts)
    yield _recommendation(found)


def _predictions(found: Found) -> Iterator[Row]:
    evidence = found.evidence
    count = sum(len(intervals) for intervals in evidence.verified.values())
    for name, intervals in evidence.verified.items():
        if name == RESET:
            yield from brute_force_rows(name, evidence.curves[name], intervals, "Eq. 5", count)
        elif name in evidence.measured and not evidence.measured[name].optimistic:
            residuals = found.residuals.get(name)
            compared = plateau_test(residuals) if residuals else None
            curve = where_it_claims_to_hold(evidence.curves[name], evidence.measured[name].relaxed, compared)
            yield from brute_force_rows(name, curve, intervals, "Eq. 9", count)


def _identity(evidence: PerturbationEvidence) -> Iterator[Row]:
    """Eq. 3 with survival and residual time of one set of runs is their sample mean, whatever the runs."""
    for name, intervals in evidence.verified.items():
        for interval, times in intervals.items():
            if name == RESET or not times.reached.all() or not (times.time > interval).any():
                continue
            value = _by_equation_3(times, interval)
            mean = float(times.time.mean())
            same = bool(np.isclose(value, mean, rtol=1e-9))
            text = f"the sample mean is {mean:.6g}, Eq. 3 from the same runs gives {value:.6g}"
            quantity = f"mean epochs by Eq. 3, {name} every {interval} epochs"
            yield Row(quantity, "an identity", f"{value:.6g}", Verdict(same, "identity", text))


def _by_equation_3(times: FirstPassageTimes, interval: int) -> float:
    survival = np.array([(times.time > moment).mean() for moment in range(int(times.time.max()) + 1)])
    residual = float(mean_residual_time(times, interval).value)
    return float(perturbed_mean(survival, [residual], [interval]).value[0])


def _recommendation(found: Found) -> Row:
    """What is advised, and whether brute force bears it out."""
    evidence, chosen = found.evidence, recommended(found.advice)
    quantity, paper = "what is advised", "perturbing arrives sooner"
    if chosen is None or chosen.interval is None:
        return Row(
            quantity,
            paper,
            found.advice.recommendation,
            _open("no perturbation is advised, so there is nothing to try"),
        )
    tried = evidence.verified.get(chosen.name, {}).get(chosen.interval)
    if tried is None:
        return Row(quantity, paper, found.advice.recommendation, _open("not tried yet"))
    measured = restricted_mean(tried)
    gained = difference(measured, evidence.restricted)
    holds = True if gained.high < 0 else False if gained.low > 0 else None
    missing = int((~tried.reached).sum())
    never = f"; {missing} of {len(tried)} never arrived" if missing else ""
    text = (
        f"really tried it took {number_text(measured)} epochs, left alone at least "
        f"{number_text(evidence.restricted)}: difference {number_text(gained)}{never}"
    )
    holds = None if missing and holds else holds
    return Row(
        quantity, paper, found.advice.recommendation, Verdict(holds, "advice_against_brute_force", text)
    )


def _values(trained: Any, experiment: Experiment) -> Array:
    """The first observable after each epoch, of every run."""
    name = experiment.observables[0].name
    epochs = experiment.steps_per_epoch * np.arange(1, trained.steps // experiment.steps_per_epoch + 1)
    return np.asarray(trained[name][:, np.searchsorted(trained.times(name), epochs)], np.float64)


def _open(text: str) -> Verdict:
    return Verdict(None, "not_in_the_paper", text)
