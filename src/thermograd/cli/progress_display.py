"""How far a run has come: a live table in a terminal, else one line per 10 %."""

from __future__ import annotations

import contextlib
import math
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from thermograd.cli import terminal
from thermograd.ensemble.time_left import time_left

if TYPE_CHECKING:
    from thermograd.ensemble.progress import Progress

_PER_SECOND = 4


class ProgressDisplay:
    """Shows progress on stderr while the block runs.

    Args:
        title: what is running.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._live: Any = None
        self._tenth = 0

    def __enter__(self) -> ProgressDisplay:
        if sys.stderr.isatty() and not terminal.quiet():
            from rich.console import Console  # here, so that a pipe needs no rich
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=_PER_SECOND, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):  # the terminal is gone; the run is not
                self._live.stop()

    def say(self, line: str) -> None:
        """A line above the table."""
        if self._live is None:
            terminal.say(line)
        else:
            with contextlib.suppress(OSError):
                self._live.console.print(line, markup=False, highlight=False)

    def show(self, progress: Progress) -> None:
        """The present state."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.update(self._table(progress))
            return
        tenth = int(10 * progress.steps_done / max(progress.steps_total, 1))
        if tenth > self._tenth:
            self._tenth = tenth
            terminal.say(f"{10 * tenth} %: " + ", ".join(f"{key} {value}" for key, value in rows(progress)))

    def _table(self, progress: Progress) -> Any:
        from rich.table import Table

        table = Table(title=self._title, show_header=False)
        for key, value in rows(progress):
            table.add_row(key, value)
        return table


def rows(progress: Progress) -> list[tuple[str, str]]:
    """What there is to say, as (what, value)."""
    speed = progress.steps_now / progress.seconds if progress.seconds > 0 else 0.0
    found = [
        ("blocks", f"{progress.blocks_done} of {progress.blocks}"),
        ("trajectory-steps", f"{progress.steps_done} of {progress.steps_total}"),
        ("speed", f"{f'{speed:.0f}' if speed >= 100 else f'{speed:.3g}'} trajectory-steps/s"),
        ("time left", time_left(progress)),
    ]
    if math.isfinite(progress.mean):
        found.append((f"mean {progress.observable} in the last block", f"{progress.mean:.4g}"))
    if progress.diverged:
        found.append(("diverged", str(progress.diverged)))
    return found
