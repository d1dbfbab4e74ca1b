"""`Run`: the recorded ensemble, the same object in memory and from disk. Numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import MemoryLimitError
from thermograd.quantity_figure import figure_of
from thermograd.store.failures import Failure
from thermograd.store.free_memory import free_memory
from thermograd.store.layout import DIVERGED, FAILED, FINISHED, PENDING, ArraySpec, Checkpoint, Header
from thermograd.store.run_html import run_html
from thermograd.store.run_xarray import run_dataset

Array = npt.NDArray[Any]
_WEIGHTS = "weights/"


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive trajectories of one array.

    Attributes:
        index: which block of the run, from 0.
        trajectories: the numbers of its trajectories.
        values: their rows, `(trajectory, time, ...)`.

    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> settings = {"trajectories": 5, "block_size": 2, "epochs": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(Quadratic(), **settings))
    >>> [(block.trajectories, block.values.shape) for block in run.blocks("train_loss")]
    [(range(0, 2), (2, 2)), (range(2, 4), (2, 2)), (range(4, 5), (1, 2))]
    """

    index: int
    trajectories: range
    values: Array


class Source(Protocol):
    """Where a `Run` reads from: memory or a directory."""

    header: Header
    path: Path | None

    @property
    def manifest(self) -> dict[str, Any]:
        """What is known of the run besides its numbers; empty in memory."""

    @property
    def state(self) -> str:
        """`created`, `running`, `interrupted`, `failed` or `finished`."""

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Blocks that could not be finished."""

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""

    def read(self, name: str, trajectories: slice, times: slice) -> Array:
        """Part of an array, contiguous slices; NaN (-1 for integers) where nothing is committed."""

    def committed(self) -> npt.NDArray[np.int64]:
        """Per block, the last step whose records may be trusted; -1 for none."""

    def outcome(self) -> npt.NDArray[np.uint8]:
        """Per trajectory: 0 pending, 1 finished, 2 diverged, 3 failed."""

    def diverged_at(self) -> npt.NDArray[np.int64]:
        """Per trajectory, the first step with a non-finite weight; -1 for never."""

    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""

    def checkpoint(self, block: int) -> Checkpoint | None:
        """The last checkpoint of a block, None if there is none."""


class Run:
    """Recorded trajectories of an experiment.

    `run[name]` is an array `(trajectory, time, ...)`; NaN (-1 for integers) where a value is not known
    (yet), and from the first step at which a trajectory diverged.

    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> run = tg.run(tg.Experiment(Quadratic(samples=64), trajectories=4, epochs=2, engine="eager"))
    >>> run["train_loss"].shape, run.times("train_loss").tolist(), run.state
    ((4, 3), [0, 2, 4], 'finished')
    >>> run.times("train_loss", unit="epoch").tolist(), run.weights()["position"].shape
    ([0.0, 1.0, 2.0], (4, 3))
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, name: str) -> Array:
        """All of one recorded array, `(trajectory, time, ...)`."""
        return self.array(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recorded observables (weights aside)."""
        return tuple(spec.name for spec in self.source.header.arrays if not spec.name.startswith(_WEIGHTS))

    @property
    def scalars(self) -> tuple[str, ...]:
        """Those that are one number per trajectory and time; the fields of a table of displacements are no curves."""
        tables = tuple(name.removesuffix("lags") for name in self.names if name.endswith("/lags"))
        shapes = {spec.name: spec.shape for spec in self.source.header.arrays}
        return tuple(name for name in self.names if not shapes[name] and not name.startswith(tables))

    def array(
        self,
        name: str,
        trajectories: slice = slice(None),
        times: slice = slice(None),
        memory_limit: int | None = None,
    ) -> Array:
        """Part of one recorded array.

        Args:
            name: one of `names`.
            trajectories: a slice with step 1.
            times: a slice with step 1 of record positions (not of steps).
            memory_limit: bytes; half of the free memory if None.

        Returns:
            Array (trajectory, time, ...).

        Raises:
            KeyError: unknown name.
            ValueError: a slice with another step than 1.
            MemoryLimitError: the part is larger than the limit; read it with `blocks`.
        """
        if name not in self.names:
            message = f"this run has no array {name!r}. {nearest(name, self.names)}"
            raise KeyError(message)
        return self._read(name, trajectories, times, memory_limit)

    def blocks(self, name: str) -> Iterator[Block]:
        """One array, block by block, in bounded memory."""
        for index in range(self.source.header.blocks):
            members = self.source.header.block(index)
            yield Block(index, members, self.array(name, slice(members.start, members.stop)))

    def times(self, name: str, unit: str = "step") -> Array:
        """When the records of an array were taken.

        Args:
            name: one of `names`.
            unit: `"step"` (int64) or `"epoch"` (float64: completed steps / steps per epoch).

        Returns:
            Array (time,).

        Raises:
            KeyError: unknown name.
            ValueError: unknown unit.
        """
        if name not in self.names:
            message = f"this run has no array {name!r}. {nearest(name, self.names)}"
            raise KeyError(message)
        steps = self.source.header.array(name).times
        if unit == "step":
            return steps.copy()
        if unit == "epoch":
            return steps / self.steps_per_epoch
        message = f"unit is {unit!r}; use 'step' or 'epoch'"
        raise ValueError(message)

    def weights(self, time: int | None = None) -> dict[str, Array]:
        """Saved weights, name to `(trajectory, ...)`.

        Args:
            time: the step at which they were saved; the last saved one if None.

        Returns:
            Arrays by parameter name.

        Raises:
            KeyError: no weights were saved at that time; lists the times there are.
        """
        saved = self.weight_times()
        step = int(saved[-1]) if time is None else time
        if step not in saved:
            message = f"no weights were saved at step {step}; saved at steps {', '.join(map(str, saved))}"
            raise KeyError(message)
        row = int(np.searchsorted(saved, step))
        return {name: value[:, 0] for name, value in self.saved_weights(slice(row, row + 1)).items()}

    def weight_times(self) -> npt.NDArray[np.int64]:
        """Steps at which weights were saved, `(time,)`; the last step is always one."""
        return self._weight_specs()[0].times.copy()

    def saved_weights(
        self, times: slice = slice(None), *, since: int = 0, memory_limit: int | None = None
    ) -> dict[str, Array]:
        """Weights at several of the times they were saved at, name to `(trajectory, time, ...)`.

        Args:
            times: a slice with step 1 of positions in `weight_times()`.
            since: weights saved before this step are left out, too.
            memory_limit: bytes, for each name; half of the free memory if None.

        Raises:
            ValueError: a slice with another step than 1.
            MemoryLimitError: larger than the limit; take fewer times.
        """
        saved = self.weight_times()
        first, last, step = times.indices(len(saved))
        chosen = slice(max(first, int(np.searchsorted(saved, since))), last, step)
        return {
            spec.name.removeprefix(_WEIGHTS): self._read(spec.name, slice(None), chosen, memory_limit)
            for spec in self._weight_specs()
        }

    def _weight_specs(self) -> list[ArraySpec]:
        return [spec for spec in self.source.header.arrays if spec.name.startswith(_WEIGHTS)]

    def _read(self, name: str, trajectories: slice, times: slice, memory_limit: int | None) -> Array:
        spec = self.source.header.array(name)
        counts = []
        for part, length in ((trajectories, self.trajectories), (times, spec.times.size)):
            if part.step not in {None, 1}:
                message = f"a slice with step {part.step} was given; read with step 1 and thin afterwards"
                raise ValueError(message)
            counts.append(len(range(*part.indices(length))))
        needed = counts[0] * counts[1] * spec.record_bytes
        limit = free_memory() // 2 if memory_limit is None else memory_limit
        if needed > limit:
            message = (
                f"{name!r} {(*counts, *spec.shape)} takes {needed / 1e6:.1f} MB, the limit is "
                f"{limit / 1e6:.1f} MB; go through it with run.blocks({name!r}), take a slice, "
                "or raise memory_limit"
            )
            raise MemoryLimitError(message)
        return self.source.read(name, trajectories, times)

    def plot(self, name: str | None = None) -> Any:
        """The figure of one recorded array against time, with its spread over the trajectories.

        Args:
            name: one of `names`; the first scalar if None.

        Returns:
            A `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure_of(self, name)

    def to_xarray(self) -> Any:
        """The recorded arrays as an `xarray.Dataset`; a number is read when it is asked for, and not kept.

        Dimensions are `trajectory`, the clocks `time`, `time_2`, ... of the observables (optimiser steps completed)
        and, for arrays, `<name>_0`, ...; `outcome` and `diverged_at` are coordinates of a trajectory, seed and
        steps per epoch among the attributes. A `/` in a name becomes `.`, as in the zarr of a run directory.

        Returns:
            An `xarray.Dataset` without the saved weights; `to_xarray()["test_accuracy"].mean("trajectory")`.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        return run_dataset(self)

    def checkpoint(self, block: int) -> Checkpoint | None:
        """The last state of a block of trajectories, None if nothing was committed."""
        return self.source.checkpoint(block)

    @property
    def name(self) -> str:
        """Name of the experiment, "" if it was given none."""
        return self.source.header.name

    @property
    def path(self) -> Path | None:
        """The run directory, None in memory."""
        return self.source.path

    @property
    def manifest(self) -> dict[str, Any]:
        """What is known of the run besides its numbers: identity, versions, commands; empty in memory."""
        return self.source.manifest

    @property
    def state(self) -> str:
        """`created`, `running`, `interrupted`, `failed` or `finished`."""
        return self.source.state

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Blocks that could not be finished; their missing records are NaN."""
        return self.source.failures

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first: dicts with `time` (UTC), `event`, and details; none in memory."""
        return self.source.events()

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return self.source.header.trajectories

    @property
    def steps(self) -> int:
        """Number of optimiser steps of the whole experiment."""
        return self.source.header.steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        return self.source.header.steps_per_epoch

    @property
    def seed(self) -> int:
        """Seed of the experiment."""
        return self.source.header.seed

    @property
    def engine(self) -> str:
        """The engine that ran it."""
        return self.source.header.engine

    @property
    def reason(self) -> str:
        """Why that engine."""
        return self.source.header.reason

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know, one sentence each."""
        return self.source.notes()

    @property
    def diverged_at(self) -> npt.NDArray[np.int64]:
        """(trajectory,): first step whose state has a non-finite weight, -1 for never."""
        return self.source.diverged_at()

    @property
    def outcome(self) -> npt.NDArray[np.uint8]:
        """(trajectory,): 0 pending, 1 finished, 2 diverged, 3 failed."""
        return self.source.outcome()

    @property
    def committed(self) -> npt.NDArray[np.int64]:
        """(block,): last step whose records may be trusted, -1 for none."""
        return self.source.committed()

    @property
    def complete(self) -> bool:
        """Whether every trajectory has reached its end (diverged ones have)."""
        return bool(np.isin(self.outcome, (FINISHED, DIVERGED)).all())

    def __str__(self) -> str:
        outcome = self.outcome
        counts = {
            label: int((outcome == code).sum())
            for label, code in (
                ("finished", FINISHED),
                ("diverged", DIVERGED),
                ("failed", FAILED),
                ("pending", PENDING),
            )
        }
        shown = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
        return (
            f"Run {self.name!r}: {self.trajectories} trajectories × {self.steps} steps ({shown}), "
            f"{self.engine}, seed {self.seed}; recorded: {', '.join(self.names) or 'weights only'}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return run_html(self)
