"""The compiled engine: not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment


def choose_compiled(experiment: Experiment, eager: EagerEngine, *, build: bool) -> str:
    """Why not."""
    return "not in this version"
