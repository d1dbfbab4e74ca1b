"""How one launch of a run goes, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from thermograd.ensemble.progress import Progress
from thermograd.store.options import StoreOptions


@dataclass(frozen=True)
class Launch:
    """How this launch of a run goes.

    Attributes:
        executor: who runs the blocks; see `executor_of`.
        options: how a new run is written; an existing one keeps its own.
        until: step to stop at.
        name: name of a new run; the problem's if None.
        show: told how far the run has come, four times a second at most.
        progress: called with (block, step) now and then.
        sink: takes (name -> mean over trajectories, step); see `sink_of`.
        say: told what a person should know, one line each.
        repair: verify everything and recompute what cannot be trusted.
        strict: refuse a changed environment.
        command: the command line, for the record.
    """

    executor: Any = None
    options: StoreOptions = field(default_factory=StoreOptions)
    until: int | None = None
    name: str | None = None
    show: Callable[[Progress], None] | None = None
    progress: Callable[[int, int], None] | None = None
    sink: Callable[[Mapping[str, Any], int], object] | None = None
    say: Callable[[str], None] = lambda line: None
    repair: bool = False
    strict: bool = False
    command: str = ""
