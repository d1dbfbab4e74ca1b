"""How a run directory is written; never what is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StoreOptions:
    r"""Choices about the files of a run: the table `store` of a config file.

    Attributes:
        time_chunk: records per chunk, or "auto" for chunks of about 4 MiB.
        checkpoint_seconds: longest time between two commits of a block.
        fsync: flush every chunk to the disk: survives power loss, slower.

    Raises:
        ValueError: a value out of range.

    >>> from thermograd.ensemble.config import parse_config
    >>> parse_config('problem = "quadratic"\nsteps = 100\n[store]\nfsync = true').store
    StoreOptions(time_chunk='auto', checkpoint_seconds=60.0, fsync=True)
    """

    time_chunk: int | str = "auto"
    checkpoint_seconds: float = 60.0
    fsync: bool = False

    def __post_init__(self) -> None:
        whole = isinstance(self.time_chunk, int) and not isinstance(self.time_chunk, bool)
        if self.time_chunk != "auto" and not (whole and int(self.time_chunk) >= 1):
            message = f"time_chunk is {self.time_chunk!r}; use 'auto' or a whole number, 1 or larger"
            raise ValueError(message)
        if not (math.isfinite(self.checkpoint_seconds) and self.checkpoint_seconds >= 0):
            message = f"checkpoint_seconds is {self.checkpoint_seconds!r}; it must be finite and not negative"
            raise ValueError(message)
