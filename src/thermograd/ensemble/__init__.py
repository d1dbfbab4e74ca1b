"""Ensembles of trajectories: the experiment, the only training loop we own, and what runs it."""

from thermograd.discover import lazy_exports

__getattr__ = lazy_exports(
    __name__, Start="experiment", Plan="plan", load_config="config", built_experiment="config"
)
