"""Runs and logs on disk, and `Run`, the same in memory and from disk. Never torch."""

from thermograd.discover import lazy_exports

__getattr__ = lazy_exports(
    __name__, open_run="reader", load_trajectories="trajectories", trajectories_of_run="run_trajectories"
)
