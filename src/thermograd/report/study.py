"""Figures of a perturbation study, and of recorded perturbed runs."""

from __future__ import annotations

import numpy as np

from thermograd.advisor.perturbation_evidence import PerturbationEvidence, gather_evidence
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times, quasi_steady_state
from thermograd.report.figure import Figure
from thermograd.report.first_passage import survival
from thermograd.report.relaxation import quasi_steady
from thermograd.report.speed_up import speed_up
from thermograd.report.survivors import survivors
from thermograd.store.perturbation_record import PerturbationRecord


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
    figures += _survivors(record, evidence.passages, quantity, seed)
    return (*figures, speed_up(evidence, _brute_force(record)))


def recorded(evidence: PerturbationEvidence) -> tuple[Figure, ...]:
    """Survival and speed-up from recorded runs."""
    return _survival(evidence, f"the target {evidence.target:g}"), speed_up(evidence)


def target_words(target: float, direction: str) -> str:
    """The target as a person says it.

    >>> target_words(0.4, "down")
    'the target 0.4 (downward)'
    """
    return f"the target {target:g}" + (" (downward)" if direction == "down" else "")


def _survival(evidence: PerturbationEvidence, target: str) -> Figure:
    return survival(evidence.passages, target, evidence.restricted, evidence.extrapolated)


def _survivors(
    record: PerturbationRecord, passages: FirstPassageTimes, quantity: str, seed: int
) -> list[Figure]:
    if not np.isfinite(record.unperturbed[record.survivor]).any():
        return []
    figures = [survivors(record.unperturbed, passages, record.target, quantity=quantity)]
    window = (max(1, -(-record.interval // 5)), record.interval)
    try:
        steady = quasi_steady_state(record.unperturbed, passages, window=window, seed=seed)
    except ConfigError:
        return figures
    return [*figures, quasi_steady(steady, record.unit)]


def _brute_force(record: PerturbationRecord) -> dict[str, dict[int, FirstPassageTimes]]:
    return {
        name: {
            interval: first_passage_times(values, record.target, direction=record.direction, unit=record.unit)
            for interval, values in intervals.items()
            if np.size(values)
        }
        for name, intervals in record.verified.items()
    }
