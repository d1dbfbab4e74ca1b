"""A run directory as the trajectories of its saved weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd import store  # its lazy door: zarr, an extra, only where a run is read
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.store.printable import printable
from thermograd.store.run import Run

Array = npt.NDArray[Any]

_WEIGHTS = "weights/"
_LARGEST = 2000


@dataclass(frozen=True, eq=False)
class SavedWeights:
    """The weights that a run has saved, one after another, as points.

    Attributes:
        run: the run.
        since: weights saved before this step are left out.
        notes: what was found while opening it, one sentence each.
    """

    run: Run
    since: int = 0
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    @cached_property
    def steps(self) -> Array:
        """The steps at which weights were saved, equally spaced.

        Raises:
            ConfigError: none were, none since then, or their spacing changes.
        """
        times = [spec.times for spec in self.run.source.header.arrays if spec.name.startswith(_WEIGHTS)]
        saved = times[0] if times else np.zeros(0, np.int64)
        steps: Array = saved[saved >= self.since]
        if not steps.size:
            message = (
                f"{self._place} has saved no weights since step {self.since}: record them with save_weights, or sums of them "
                "with the observable stochastic_area"
            )
            raise ConfigError(message)
        if np.unique(np.diff(steps)).size > 1:
            message = (
                f"{self._place} has saved its weights at steps {steps.tolist()[:5]} ..., not equally spaced; save them with "
                "save_weights = { kind = 'every', steps = STEPS }, or begin later with --since"
            )
            raise ConfigError(message)
        return steps

    @cached_property
    def trajectories(self) -> Array:
        """The weights, `(trajectory, time, parameter)`, parameters in the order of their names in the run.

        Raises:
            ConfigError: more parameters than a matrix of them should have.
            NothingCommittedError: no trajectory has all of them.
        """
        steps = [int(step) for step in self.steps]
        size = sum(value[0].size for value in self.run.weights(steps[0]).values())
        if size > _LARGEST:
            message = (
                f"{self._place} has {size} parameters, too many for a matrix of them; record their sums along a few "
                "directions with the observable stochastic_area"
            )
            raise ConfigError(message)
        points: Array = np.stack([_flat(self.run.weights(step)) for step in steps], axis=1)
        whole = np.isfinite(points).all(axis=(1, 2))
        if not whole.any():
            message = f"{self._place}: no trajectory has all its weights from step {steps[0]} to {steps[-1]}"
            raise NothingCommittedError(message)
        finished: Array = points[whole]
        return finished

    def __str__(self) -> str:
        return f"{self.run.trajectories} trajectories of {self.run.steps} steps"

    def described(self) -> str:
        """Which weights are read, and what one update between them is."""
        steps = self.steps
        left = self.run.trajectories - len(self.trajectories)
        without = f"; {left} trajectories that diverged or are not finished left out" if left else ""
        every = f", every {steps[1] - steps[0]}, which is one update here" if steps.size > 1 else ""
        return (
            f"weights of {len(self.trajectories)} trajectories at {steps.size} times, steps {steps[0]} to {steps[-1]}{every}"
            f"{without}"
        )

    @property
    def _place(self) -> str:
        return printable(self.run.path or "the run")


def saved_weights(source: str | Path, since: int = 0) -> SavedWeights:
    """The saved weights of a run directory.

    Args:
        source: the run directory.
        since: weights saved before this step are left out.

    Returns:
        The weights; none are read yet.

    Raises:
        ForeignDirectoryError: it is not a run directory.
        NothingCommittedError: it holds nothing yet.
        MissingExtraError: zarr is not installed.
    """
    run: Run = store.open_run(Path(source))
    if (run.committed < 0).all():
        message = f"{printable(source)}: nothing is committed"
        raise NothingCommittedError(message)
    notes = (
        () if run.complete else (f"{printable(source)} is {run.state}: what is committed so far was read",)
    )
    return SavedWeights(run, since, notes=notes)


def _flat(weights: dict[str, Array]) -> Array:
    parts = [value.reshape(len(value), -1) for value in weights.values()]
    joined: Array = np.concatenate(parts, axis=1)
    return joined
