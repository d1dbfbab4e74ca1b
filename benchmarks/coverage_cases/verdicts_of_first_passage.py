"""Verdicts on first passages: of a plateau, of survivors at rest, and of a prediction that brute force has tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coverage_cases.case import Alarm, Case, Row
from thermograd.advisor.perturbation_interval import advise
from thermograd.advisor.relaxation import relaxation_of_survivors
from thermograd.estimators.first_passage import FirstPassageTimes, mean_residual_time, plateau_test
from thermograd.store.perturbation_record import PerturbationRecord

Array = npt.NDArray[Any]

INTERVALS = (20, 40, 80)
HAZARD, RUNS = 0.05, 64
SKEWED = "two tests at 5 % each, normal both, of 30 times each whose law is skewed; take 100"
FEW = "5 % are promised; intervals from some tens of skewed times hold the truth a little less often than they say"


def residual_times(
    means: Sequence[float], runs: int
) -> Callable[[np.random.Generator], list[FirstPassageTimes]]:
    """Runs kicked at 20, 40 and 80, and geometric residual times of these means."""

    def draw(generator: np.random.Generator) -> list[FirstPassageTimes]:
        return [
            all_arrived(at + generator.geometric(1 / mean, runs))
            for at, mean in zip(INTERVALS, means, strict=True)
        ]

    return draw


def all_arrived(times: Array) -> FirstPassageTimes:
    return FirstPassageTimes(times, np.ones(times.size, bool), int(times.max()))


def plateau(*kinds: str) -> Callable[[list[FirstPassageTimes]], list[bool]]:
    def raised(passages: list[FirstPassageTimes]) -> list[bool]:
        residuals = {
            at: mean_residual_time(one, at, resamples=500)
            for at, one in zip(INTERVALS, passages, strict=True)
        }
        kind = plateau_test(residuals).verdict.kind
        return [kind == one for one in kinds]

    return raised


def plateau_case(
    words: str, means: Sequence[float], runs: int, kinds: Sequence[str], most: float, why: str = ""
) -> Alarm:
    return Alarm(
        f"geometric residual times, {words}, at 20, 40 and 80, {runs} runs each",
        tuple(Row(kind, wanted=(0.0, most), why_more=why) for kind in kinds),
        residual_times(means, runs),
        plateau(*kinds),
        1000,
        speaker="plateau_test",
    )


def survivors(drift: float, runs: int) -> Callable[[np.random.Generator], Array]:
    """Values of runs that never arrive, of variance 1 and correlation 0.7, whose mean moves by `drift` in 60 times."""

    def draw(generator: np.random.Generator) -> Array:
        values = generator.normal(size=(runs, 60))
        for time in range(1, 60):
            values[:, time] = 0.7 * values[:, time - 1] + np.sqrt(1 - 0.7**2) * values[:, time]
        return values + drift * np.arange(60) / 60

    return draw


def settled(*kinds: str) -> Callable[[Array], list[bool]]:
    def raised(values: Array) -> list[bool]:
        never = FirstPassageTimes(np.full(len(values), 60), np.zeros(len(values), bool), 60)
        _, verdict = relaxation_of_survivors(values, np.arange(1, 61), never, 60, None, 0)
        return [verdict.kind == kind for kind in kinds]

    return raised


def study(generator: np.random.Generator) -> PerturbationRecord:
    """Runs without memory, a kick at 40 that changes nothing, and 64 runs really kicked every 20."""
    values = without_memory(generator, RUNS, 40)
    survivor = np.flatnonzero(np.isfinite(values[:, -1]) & (values[:, -1] < 1 - HAZARD))
    return PerturbationRecord(
        values,
        {"kick": without_memory(generator, max(survivor.size, 1), 400)[: survivor.size]},
        survivor,
        target=1 - HAZARD,
        direction="up",
        interval=40,
        horizon=400,
        candidates={"kick": "changes nothing"},
        verified={name: {20: without_memory(generator, RUNS, 400)} for name in ("kick", "reset")},
    )


def without_memory(generator: np.random.Generator, runs: int, horizon: int) -> Array:
    """Uniform numbers, NaN after the first above the target."""
    values = generator.random((runs, horizon))
    after = np.cumsum(values >= 1 - HAZARD, axis=1)
    return np.where((after > 1) | ((after == 1) & (values < 1 - HAZARD)), np.nan, values)


def contradicted(record: PerturbationRecord) -> list[bool]:
    verdicts = [
        verdict
        for verdict in advise(record, resamples=500).verdicts
        if verdict.kind == "prediction_against_brute_force"
    ]
    said = {verdict.evidence["candidate"]: verdict.holds is False for verdict in verdicts}
    return [said.get("kick", False), said.get("reset", False)]


CASES: list[Case] = [
    *(plateau_case("mean 10", (10, 10, 10), runs, ("no_plateau",), 0.1, SKEWED) for runs in (30, 100, 400)),
    *(
        plateau_case(
            "means 10, 13 and 16", (10, 13, 16), runs, ("plateau", "plateau_within_30_percent"), 0.05
        )
        for runs in (30, 100, 400)
    ),
    *(
        Alarm(
            f"survivors of variance 1 whose mean moves by 3 as long as they are watched, {runs} runs",
            (Row("quasi_stationary", wanted=(0.0, 0.01)),),
            survivors(3.0, runs),
            settled("quasi_stationary"),
            speaker="relaxation_time",
        )
        for runs in (30, 200)
    ),
    *(
        Alarm(
            f"survivors at rest from the start, correlation 0.7, {runs} runs",
            (Row("not_quasi_stationary", wanted=(0.0, 0.05)),),
            survivors(0.0, runs),
            settled("not_quasi_stationary"),
            speaker="relaxation_time",
        )
        for runs in (30, 200)
    ),
    Alarm(
        f"geometric, hazard {HAZARD}, {RUNS} runs, a useless kick at 40, and {RUNS} runs really kicked, or restarted, every 20: predictions are right",
        (
            Row("contradicted by brute force, the kick", wanted=(0.0, 0.06), why_more=FEW),
            Row("contradicted by brute force, restarts", wanted=(0.0, 0.06), why_more=FEW),
        ),
        study,
        contradicted,
        1000,
        speaker="tg.advise",
    ),
]
