"""What estimates take from a source: a log of one value, saved weights, posterior draws, arrays by name."""

from __future__ import annotations

import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.cli import terminal
from thermograd.cli.array_words import table_of
from thermograd.cli.recorded_log import LogOptions
from thermograd.counted import counted
from thermograd.discover import nearest
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.posterior_draws import PosteriorDraws
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.printable import printable
from thermograd.store.run import Run
from thermograd.store.saved_weights import SavedWeights
from thermograd.store.trajectories import Trajectories

Array = npt.NDArray[Any]

_USUAL = "train_loss"


class RecordedSource:
    """A run directory or recorded file, read when and as far as it is asked for; says on stderr what it read.

    Args:
        source: as typed.
        options: how logs are read.
        since: weights saved before this step are left out.
    """

    def __init__(self, source: str, options: LogOptions, since: int = 0) -> None:
        self.source = source
        self._options = options
        self._since = since

    def part(self, role: str) -> Any:
        """A part of what was recorded.

        Args:
            role: `log.values`, `log.times`, `log.unit`, `loss.values`, `loss.steps`, `weights.trajectories`,
                `weights.steps`, `run`, `displacements`, or of `draws.` what `PosteriorDraws` has.

        Raises:
            ConfigError: the source has no such part.
        """
        where, _, what = role.partition(".")
        if where == "log":
            return getattr(self._log, what)
        if where == "weights":
            return getattr(self._weights, what)
        if where == "loss":
            return self._loss[what == "values"]
        if where == "draws":
            return _of_draws(self._draws, what)
        return self._displacements if where == "displacements" else self._run

    def record(self, name: str) -> Array | None:
        """The recorded array of that name: of a run, an npz, or a column of a csv; None if there is none."""
        place = Path(self.source)
        if name not in self.names:
            return None
        if place.suffix == ".npz":
            with place.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                found: Array = archive[name]
                return found
        return table_of(place)[name] if place.suffix == ".csv" else self._run[name]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The arrays that can be asked for by name."""
        place = Path(self.source)
        if (place / MANIFEST).exists():
            return tuple(self._run.names)
        if place.suffix == ".npz" and zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                return tuple(name.removesuffix(".npy") for name in archive.namelist())
        if place.suffix == ".csv" and place.is_file():
            try:
                return tuple(name for name in table_of(place) if not name.isdecimal())
            except ConfigError:  # a log of another layout holds no arrays
                return ()
        return ()

    @cached_property
    def _log(self) -> Trajectories:
        log = self._options.read(self.source)
        self._say(str(log), log.notes)
        return log

    @cached_property
    def _weights(self) -> SavedWeights:
        weights = self._options.read_weights(self.source, self._since)
        self._say(weights.described(), weights.notes)
        return weights

    @cached_property
    def _run(self) -> Run:
        weights = self._options.read_weights(self.source, 0)
        self._say(str(weights), weights.notes)
        return weights.run

    @cached_property
    def _displacements(self) -> DisplacementTable | Run:
        if not Path(self.source).is_file():
            return self._run
        table = DisplacementTable.load(self.source)
        self._say(f"table of displacements of {table.trajectories} trajectories", ())
        return table

    @cached_property
    def _draws(self) -> PosteriorDraws:
        file = Path(self.source) / "draws.safetensors" if Path(self.source).is_dir() else Path(self.source)
        if not file.is_file():
            message = (
                f"there is no {printable(file)}; `thermograd sample` and PosteriorDraws.save write draws"
            )
            raise ConfigError(message)
        draws = PosteriorDraws.load(file)
        self._say(f"{draws.draws} draws of {draws.chains} chains, {draws.size} parameters", ())
        return draws

    @cached_property
    def _loss(self) -> tuple[Array, Array]:
        """Steps and a loss: of a run every record of it, the first one included; of a log what it says."""
        if not (Path(self.source) / MANIFEST).exists():
            return self._log.times, self._log.values
        from thermograd.store.reader import open_run  # here: zarr, an extra, for this only

        run = open_run(Path(self.source))
        scalars = run.scalars
        name = self._options.metric or (scalars[0] if len(scalars) == 1 else _USUAL)
        if name not in scalars:
            message = f"{printable(self.source)} recorded no scalar {name!r}; choose with --metric. {nearest(name, scalars)}"
            raise ConfigError(message)
        values = run[name]
        known = np.isfinite(values).any(axis=0)
        if not known.any():
            message = f"{printable(self.source)}: no {name} is committed"
            raise NothingCommittedError(message)
        self._say(
            f"{name} of {counted(run.trajectories, 'trajectory')} at {counted(int(known.sum()), 'step')}",
            run.notes,
        )
        return run.times(name)[known], values[:, known]

    def _say(self, what: str, notes: tuple[str, ...]) -> None:
        for line in (f"{printable(self.source)}: {what}", *notes):
            terminal.say(line)


def _of_draws(draws: PosteriorDraws, what: str) -> Any:
    match what:
        case "all":
            return draws
        case "used":  # only those take part in convergence
            return draws.array()[:, draws.used]
        case "measured_weights":
            return draws.weights[draws.measured]
        case "virial" if not draws.virial.size:
            message = "these draws hold no virial: it is measured while sampling (--virial-every of `thermograd sample`)"
            raise ConfigError(message)
    return getattr(draws, what)
