"""Recorded logs as a command names them: a source, and the options that say how it is read."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.store.trajectories import Trajectories, in_epochs, load_trajectories


@dataclass(frozen=True)
class LogOptions:
    """How the sources of one command are read.

    Attributes:
        metric: which value, where there are several.
        scale: factor of all values.
        steps_per_epoch: count in epochs of that many steps; None keeps what the log counts.
        counts_from: the number the log gives the first completed step or epoch.
    """

    metric: str | None = None
    scale: float = 1.0
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
            source, metric=self.metric, scale=self.scale, counts_from=self.counts_from
        )
        return recorded if self.steps_per_epoch is None else in_epochs(recorded, self.steps_per_epoch)
