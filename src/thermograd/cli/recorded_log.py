"""Recorded logs as a command names them: a source, and the options that say how it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thermograd.errors import ConfigError
from thermograd.store.saved_weights import SavedWeights, saved_weights
from thermograd.store.trajectories import Trajectories, in_epochs, load_trajectories


@dataclass(frozen=True)
class LogOptions:
    """How the sources of one command are read.

    Attributes:
        metric: which value, where there are several.
        scale: factor of all values, 1 if None.
        steps_per_epoch: count in epochs of that many steps; None keeps what the log counts.
        counts_from: the number the log gives the first completed step or epoch.
    """

    metric: str | None = None
    scale: float | None = None
    steps_per_epoch: int | None = None
    counts_from: int | None = None

    def read(self, source: str) -> Trajectories:
        """The runs of a file, folder, glob or run directory.

        Args:
            source: what was named.

        Returns:
            The runs.

        Raises:
            ConfigError: it cannot be read so.
        """
        recorded = load_trajectories(
            source,
            metric=self.metric,
            scale=1.0 if self.scale is None else self.scale,
            counts_from=self.counts_from,
        )
        return recorded if self.steps_per_epoch is None else in_epochs(recorded, self.steps_per_epoch)

    def read_weights(self, source: str, since: int) -> SavedWeights:
        """The saved weights of a run directory.

        Args:
            source: the run directory.
            since: weights saved before this step are left out.

        Returns:
            The weights.

        Raises:
            ConfigError: it is none, or options were given that are for logs of one value.
        """
        if self != LogOptions():
            message = (
                "--metric, --scale, --steps-per-epoch and --counts-from are for logs of one value; this estimate is made "
                "from the weights of a run: leave them out"
            )
            raise ConfigError(message)
        if not Path(source).is_dir():
            message = f"{source} is no run directory; this estimate is made from weights, which only a run directory holds"
            raise ConfigError(message)
        return saved_weights(source, since)


def check_outputs(outputs: Iterable[Path], sources: Sequence[str]) -> None:
    """Refuse to write where a log is read from, or where nothing can be written.

    Args:
        outputs: files to be written.
        sources: what is read: files, FILE:KEY, folders or patterns.

    Raises:
        ConfigError: names the output.
    """
    for output in outputs:
        if not output.parent.is_dir() or output.is_dir():
            message = f"cannot write {output}: it must be a file in a folder that exists"
            raise ConfigError(message)
        place = output.resolve()
        for source in sources:
            named = {Path(source).resolve(), Path(source.rpartition(":")[0] or source).resolve()}
            read_with_others = output.suffix == ".csv" and place.parent in named
            in_pattern = any(wild in source for wild in "*?[") and place.match(source)
            if place in named or read_with_others or in_pattern:
                message = f"cannot write {output}: the source {source} is or reads it; choose another name"
                raise ConfigError(message)


def check_once(sources: Sequence[str]) -> None:
    """Refuse a source that is named twice: its runs would count as independent ones.

    Raises:
        ConfigError: names it.
    """
    seen: set[str] = set()
    for source in sources:
        if (place := str(Path(source).resolve())) in seen:
            message = f"{source} is given twice; its runs would be counted as twice as many independent ones"
            raise ConfigError(message)
        seen.add(place)
