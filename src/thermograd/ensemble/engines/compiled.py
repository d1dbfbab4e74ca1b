"""The compiled engine: not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermograd.errors import EngineUnavailableError

if TYPE_CHECKING:
    from thermograd.ensemble.engines.eager import EagerEngine
    from thermograd.ensemble.experiment import Experiment


def choose_compiled(experiment: Experiment, eager: EagerEngine, *, build: bool) -> str:
    """Why not."""
    message = "not in this version"
    if experiment.engine == "compiled":
        raise EngineUnavailableError(message)
    return message
