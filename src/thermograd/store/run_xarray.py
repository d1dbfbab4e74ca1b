"""A run as xarray knows it: dimensions `(trajectory, time, ...)`, read when a number is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.errors import MissingExtraError
from thermograd.store.outcome_counts import OUTCOMES
from thermograd.store.stored_array import coordinates

if TYPE_CHECKING:
    from thermograd.store.run import Run

_CLOCK = {"long_name": "optimiser steps completed"}


def run_dataset(run: Run) -> Any:
    """The recorded arrays of a run as an `xarray.Dataset`; see `Run.to_xarray`.

    Args:
        run: in memory or from disk.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    try:
        import xarray  # here: an extra
        from xarray.backends import BackendArray
        from xarray.core import indexing
    except ImportError as error:
        raise MissingExtraError(package="xarray", extra="xarray", purpose="A dataset of a run") from error

    class Recorded(BackendArray):
        """One array, of which only the part asked for is read."""

        def __init__(self, name: str) -> None:
            spec = run.source.header.array(name)
            self.name = name
            self.shape = (run.trajectories, spec.times.size, *spec.shape)
            self.dtype = np.dtype(spec.dtype)

        def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
            support = indexing.IndexingSupport.BASIC
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._part)

        def _part(self, key: tuple[int | slice, ...]) -> np.ndarray:
            """A run is read in contiguous pieces of whole records; the rest of the index acts on what was read."""
            lead, rest = zip(*map(_contiguous, key[:2], self.shape), strict=True)
            return run.array(self.name, *lead)[*rest, *key[2:]]

    times = coordinates(run.source.header)
    variables = {
        name.replace("/", "."): xarray.Variable(
            _dimensions(run, name), indexing.LazilyIndexedArray(Recorded(name))
        )
        for name in run.names
    }
    used = {dimension for variable in variables.values() for dimension in variable.dims}
    places = {name: (name, steps, _CLOCK) for name, steps in times.items() if name in used}
    return xarray.Dataset(variables, _of_trajectories(run) | places, _attributes(run))


def _dimensions(run: Run, name: str) -> tuple[str, ...]:
    """As in the zarr of a run directory, where names have no `/`."""
    spec = run.source.header.array(name)
    times = coordinates(run.source.header)
    clock = next(key for key, steps in times.items() if np.array_equal(steps, spec.times))
    return ("trajectory", clock, *(f"{name.replace('/', '.')}_{axis}" for axis in range(len(spec.shape))))


def _of_trajectories(run: Run) -> dict[str, Any]:
    meanings = sorted(OUTCOMES, key=OUTCOMES.__getitem__)
    outcome = {"flag_values": [OUTCOMES[name] for name in meanings], "flag_meanings": " ".join(meanings)}
    diverged = {"long_name": "first step with a weight that is not finite, -1 for never"}
    return {
        "trajectory": np.arange(run.trajectories),
        "outcome": ("trajectory", run.outcome, outcome),
        "diverged_at": ("trajectory", run.diverged_at, diverged),
    }


def _attributes(run: Run) -> dict[str, Any]:
    known = ("format_version", "run_id", "thermograd_version", "identity")
    manifest = run.manifest
    return {key: manifest[key] for key in known if key in manifest} | {
        "name": run.name,
        "seed": run.seed,
        "steps": run.steps,
        "steps_per_epoch": run.steps_per_epoch,
        "engine": run.engine,
        "state": run.state,
    }


def _contiguous(key: int | slice, size: int) -> tuple[slice, int | slice]:
    """The smallest slice of step 1 that holds what an index asks for, and the index into it.

    >>> _contiguous(slice(8, 1, -3), 10), _contiguous(4, 10)
    ((slice(2, 9, None), slice(None, None, -3)), (slice(4, 5, None), 0))
    """
    if isinstance(key, slice):
        asked = range(*key.indices(size))
        if not asked:
            return slice(0, 0), slice(None)
        return slice(min(asked), max(asked) + 1), slice(None, None, asked.step)
    return slice(int(key), int(key) + 1), 0
