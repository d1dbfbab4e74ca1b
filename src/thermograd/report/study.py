"""Figures of a perturbation study, and of recorded perturbed runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.perturbation_evidence import PerturbationEvidence, gather_evidence
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times, quasi_steady_state
from thermograd.report.figure import Figure
from thermograd.report.first_passage import survival
from thermograd.report.plateau import plateau
from thermograd.report.relaxation import quasi_steady
from thermograd.report.speed_up import speed_up
from thermograd.report.survivors import survivors
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.trajectories import Trajectories

Array = npt.NDArray[Any]


def study(
    record: PerturbationRecord, quantity: str = "value (as recorded)", resamples: int = 2000, seed: int = 0
) -> tuple[Figure, ...]:
    """Survival, the survivors and their relaxation, and the speed-up with what brute force measured.

    Args:
        record: what the study recorded.
        quantity: axis title of the values, with unit.
        resamples: bootstrap resamples.
        seed: seed of the resamples.

    Returns:
        The figures; those of the survivors only if enough survived.
    """
    evidence = gather_evidence(record, resamples=resamples, seed=seed)
    figures = [_survival(evidence, target_words(record.target, record.direction))]
    if np.isfinite(record.unperturbed[record.survivor]).any():
        times = np.arange(1, record.interval + 1)
        passages, last = evidence.passages, record.interval
        figures += _survivors(record.unperturbed, times, passages, record.target, last, quantity, seed)
    return (*figures, speed_up(evidence, _brute_force(record)))


def recorded(
    evidence: PerturbationEvidence,
    values: Trajectories | None = None,
    quantity: str = "value (as recorded)",
    seed: int = 0,
) -> tuple[Figure, ...]:
    """Survival, residual times and speed-up from recorded runs; the survivors and their relaxation from values.

    Args:
        evidence: what the recorded runs say.
        values: the unperturbed runs it was gathered from.
        quantity: axis title of the values, with unit.
        seed: seed of the resamples of the relaxation.

    Returns:
        The figures; a plateau for each perturbation that was measured at several intervals.
    """
    figures = [_survival(evidence, f"the target {evidence.target:g}")]
    if values is not None:
        last = max((found.interval for found in evidence.measured.values()), default=int(values.times[-1]))
        table, times = values.values, values.times
        figures += _survivors(table, times, evidence.passages, evidence.target, last, quantity, seed)
    unit = evidence.passages.unit
    figures += [
        plateau(found.plateau, found.residuals, name=name, unit=unit)
        for name, found in evidence.measured.items()
        if found.plateau is not None
    ]
    return (*figures, speed_up(evidence, evidence.verified))


def target_words(target: float, direction: str) -> str:
    """The target as a person says it.

    >>> target_words(0.4, "down")
    'the target 0.4 (downward)'
    """
    return f"the target {target:g}" + (" (downward)" if direction == "down" else "")


def _survival(evidence: PerturbationEvidence, target: str) -> Figure:
    return survival(evidence.passages, target, evidence.restricted, evidence.extrapolated)


def _survivors(
    values: Array,
    times: npt.NDArray[np.int64],
    passages: FirstPassageTimes,
    target: float,
    last: int,
    quantity: str,
    seed: int,
) -> list[Figure]:
    """Violins, and whether they settle, over a window from a fifth of `last` on; none where nobody survives."""
    ahead = passages.time[:, None] - times
    under_way = (ahead > 0) | ((ahead == 0) & ~passages.reached[:, None])
    if not np.isfinite(values[under_way]).any():
        return []
    figures = [survivors(values, passages, target, times=times, quantity=quantity)]
    inside = times <= last
    window = (max(int(times[0]), -(-last // 5)), int(times[inside].max(initial=0)))
    try:
        steady = quasi_steady_state(
            values[:, inside], passages, window=window, times=times[inside], seed=seed
        )
    except ConfigError:
        return figures
    return [*figures, quasi_steady(steady, passages.unit)]


def _brute_force(record: PerturbationRecord) -> dict[str, dict[int, FirstPassageTimes]]:
    return {
        name: {
            interval: first_passage_times(values, record.target, direction=record.direction, unit=record.unit)
            for interval, values in intervals.items()
            if np.size(values)
        }
        for name, intervals in record.verified.items()
    }
