"""A config made ready to run, with everything that can be refused refused before a file is written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from thermograd.ensemble.config import Config
from thermograd.ensemble.config_errors import config_error
from thermograd.ensemble.executors.choice import executor_of
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.plugin_fields import ROLES
from thermograd.ensemble.training_loop import Trainer
from thermograd.errors import ConfigError, MemoryLimitError, ThermogradError
from thermograd.store.layout import Header
from thermograd.store.manifest import read_manifest
from thermograd.store.printable import excerpt
from thermograd.store.stored_array import StoredArray, planned_files, stored_arrays

_LONGEST_SLUG = 60


@dataclass(frozen=True)
class Prepared:
    """A run that could start now.

    Attributes:
        source: the config file.
        config: what it says.
        trainer: what would train it.
        header: what it would record.
        arrays: how that would lie on disk.
        path: its run directory.
    """

    source: str
    config: Config
    trainer: Trainer
    header: Header
    arrays: tuple[StoredArray, ...]
    path: Path

    @property
    def bytes(self) -> int:
        """Bytes of all records, before compression."""
        return self.header.trajectories * sum(
            spec.times.size * spec.record_bytes for spec in self.header.arrays
        )

    @property
    def files(self) -> int:
        """Number of files of the finished run."""
        return planned_files(self.header, self.arrays)

    @property
    def memory(self) -> int:
        """Bytes one worker needs: the block at work, and one chunk of each array."""
        wide = min(self.header.block_size, self.header.trajectories)
        chunks = sum(
            wide * array.chunks[1] * spec.record_bytes
            for array, spec in zip(self.arrays, self.header.arrays, strict=True)
        )
        return self.trainer.plan.block_bytes + chunks


def prepare_run(config: Config, source: str, out: Path | None = None) -> Prepared:
    """Plan the run of a config.

    Args:
        config: what to run.
        source: how errors call it.
        out: its run directory; `runs/<slug of name>-<first 8 of identity>` if None.

    Returns:
        The plan.

    Raises:
        ConfigError: it cannot run; dotted path, what was got, what is allowed.
        MissingExtraError: its executor needs a package that is not installed.
        EngineUnavailableError: an engine asked for by name is not there.
        MemoryLimitError: the model does not fit in the memory of this machine.
    """
    try:
        header, trainer, arrays = _planned(config, out or Path("runs"))
        path = out or Path("runs") / f"{slug(header.name)}-{config.identity[:8]}"
        if not _finished(path):  # else it is shown as it is, and nobody is needed
            executor_of(config.executor).check()
    except ConfigError as error:
        problems = error.problems or [("", str(error))]
        refused: ConfigError = config_error(source, problems)
        raise refused from error
    except MemoryLimitError as error:
        message = f"{source}: {error}"
        raise MemoryLimitError(message) from error
    return Prepared(source, config, trainer, header, arrays, path)


def _planned(config: Config, out: Path) -> tuple[Header, Trainer, tuple[StoredArray, ...]]:
    """Header, trainer and arrays; what a plug-in refuses becomes an error with its dotted path."""
    executor_of(config.executor)
    try:
        trainer = Trainer(config.experiment)
        header = trainer.header(config.name)
    except (ValueError, TypeError) as error:
        if isinstance(error, ThermogradError):
            raise
        raise ConfigError(str(error), ((located(str(error), config.experiment), str(error)),)) from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        what = excerpt(error, 120)
        message = f"model or data do not fit in the memory of this machine ({what}); take smaller ones"
        raise MemoryLimitError(message) from error
    folder = next((place for place in out.absolute().parents if place.exists()), Path("/"))
    return (
        header,
        trainer,
        stored_arrays(header, config.store.time_chunk, free=shutil.disk_usage(folder).free),
    )


def _finished(run: Path) -> bool:
    try:
        return read_manifest(run).state == "finished"
    except (ThermogradError, OSError):
        return False


def slug(name: str) -> str:
    """A name as part of a path: small letters, digits and hyphens.

    >>> slug("Shrink & perturb on digits"), slug("Ünïcode/../"), slug("???")
    ('shrink-perturb-on-digits', 'n-code', 'run')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return str(plain[:_LONGEST_SLUG]).strip("-") or "run"


def located(message: str, experiment: Experiment) -> str:
    """The dotted path of the field that an error message of a plug-in speaks about, "" if it is not clear.

    >>> located("batch_size is 500, larger than ...", Experiment(problem=None, steps=1))
    'minibatching.batch_size'
    """
    words: list[str] = re.findall(r"[a-z_]+", message)[:3]
    for word in words:
        for name, value in _plugins(experiment).items():
            if is_dataclass(value) and word in {entry.name for entry in fields(value)}:
                return f"{name}.{word}"
        if word in {entry.name for entry in fields(Experiment)}:
            return word
    quoted = re.search(r"observable '([^']+)'", message)
    names = [observable.name for observable in experiment.observe or ()]
    if quoted is not None and quoted[1] in names:
        place = f"observe.{names.index(quoted[1])}"
        return f"{place}.at" if "`at`" in message else place
    return ""


def _plugins(experiment: Experiment) -> Mapping[str, Any]:
    return {name: getattr(experiment, name) for name in ROLES if name != "observe"}
