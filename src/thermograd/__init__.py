"""Measure, predict and steer the training of neural networks as a stochastic process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_DOORS = {
    "Problem": "thermograd.problems.problem",
    "Experiment": "thermograd.ensemble.experiment",
    "run": "thermograd.ensemble.run",
    "resume": "thermograd.ensemble.resume",
    "plan": "thermograd.ensemble.plan",
    "load_config": "thermograd.ensemble.config",
    "PerturbationStudy": "thermograd.ensemble.perturbation_study",
    "perturb": "thermograd.perturbations.in_place",
    "Perturber": "thermograd.training.perturber",
    "Run": "thermograd.store.run",
    "sample_posterior": "thermograd.ensemble.posterior",
    "PosteriorSampler": "thermograd.training.posterior",
    "PosteriorDraws": "thermograd.estimators.posterior_draws",
    "posterior_predictive": "thermograd.ensemble.posterior_predictive",
    "advise_posterior_step": "thermograd.advisor.posterior_step:advise",
    "local_learning_coefficient": "thermograd.ensemble.local_learning_coefficient",
    "measure_temperature": "thermograd.ensemble.temperature_probe",
    "open_run": "thermograd.store.reader",
    "Estimate": "thermograd.quantities",
    "Prediction": "thermograd.quantities",
    "Verdict": "thermograd.quantities",
    "Advice": "thermograd.quantities",
    "Landscape": "thermograd.quantities",
    "watch": "thermograd.training.watch",
    "ReduceLROnStationarity": "thermograd.training.schedulers.reduce_lr_on_stationarity",
    "advise": "thermograd.advisor.perturbation_interval",
    "landscape": "thermograd.observables.landscape",
    "Hessian": "thermograd.observables.hessian",
    "stationary_state": "thermograd.theory.stationary_state:predict",
}
__all__ = ["__version__", *_DOORS]


if not TYPE_CHECKING:  # a type checker that saw this would let any name pass

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used, so that `import thermograd` costs nothing (PEP 562)."""
        if name not in _DOORS:
            message = f"module 'thermograd' has no attribute {name!r}"
            raise AttributeError(message)
        module, _, attribute = _DOORS[name].partition(":")
        return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from thermograd.advisor.perturbation_interval import advise as advise
    from thermograd.advisor.posterior_step import advise as _advise_posterior_step
    from thermograd.ensemble.config import load_config as load_config
    from thermograd.ensemble.experiment import Experiment as Experiment
    from thermograd.ensemble.local_learning_coefficient import (
        local_learning_coefficient as local_learning_coefficient,
    )
    from thermograd.ensemble.perturbation_study import PerturbationStudy as PerturbationStudy
    from thermograd.ensemble.plan import plan as plan
    from thermograd.ensemble.posterior import sample_posterior as sample_posterior
    from thermograd.ensemble.posterior_predictive import posterior_predictive as posterior_predictive
    from thermograd.ensemble.resume import resume as resume
    from thermograd.ensemble.run import run as run
    from thermograd.ensemble.temperature_probe import measure_temperature as measure_temperature
    from thermograd.estimators.posterior_draws import PosteriorDraws as PosteriorDraws
    from thermograd.observables.hessian import Hessian as Hessian
    from thermograd.observables.landscape import landscape as landscape
    from thermograd.perturbations.in_place import perturb as perturb
    from thermograd.problems.problem import Problem as Problem
    from thermograd.quantities import (
        Advice as Advice,
    )
    from thermograd.quantities import (
        Estimate as Estimate,
    )
    from thermograd.quantities import (
        Landscape as Landscape,
    )
    from thermograd.quantities import (
        Prediction as Prediction,
    )
    from thermograd.quantities import (
        Verdict as Verdict,
    )
    from thermograd.store.reader import open_run as open_run
    from thermograd.store.run import Run as Run
    from thermograd.theory.stationary_state import predict as _predict
    from thermograd.training.perturber import Perturber as Perturber
    from thermograd.training.posterior import PosteriorSampler as PosteriorSampler
    from thermograd.training.schedulers.reduce_lr_on_stationarity import (
        ReduceLROnStationarity as ReduceLROnStationarity,
    )
    from thermograd.training.watch import watch as watch

    advise_posterior_step = _advise_posterior_step
    stationary_state = _predict
