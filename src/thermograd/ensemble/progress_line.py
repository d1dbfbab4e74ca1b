"""How far a run has come, in one line of a terminal; what `progress=True` stands for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

from thermograd.ensemble.time_left import time_left
from thermograd.errors import ConfigError

if TYPE_CHECKING:
    from thermograd.ensemble.progress import Progress

Tell: TypeAlias = Callable[[int, int], None]
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def shown(progress: Any) -> Generator[tuple[Tell | None, Callable[[Progress], None] | None]]:
    """Whom a run tells how far it is while the block runs.

    Args:
        progress: a function of (block, step); True for a line on stderr that is written anew each time and gone at the
            end, where stderr is a terminal; None or False for nobody.

    Yields:
        What is called with (block, step), and what is called with a `Progress`; None for nobody.

    Raises:
        ConfigError: a ValueError: it is none of these.
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        message = (
            f"progress is {progress!r}; give True, for a line in the terminal, or a function of (block, step)"
        )
        raise ConfigError(message)
    if progress is None or isinstance(progress, bool):
        if not progress or not sys.stderr.isatty():
            yield None, None
            return
        try:
            yield None, _show
        finally:
            _write(_CLEAR)
        return
    yield progress, None


def _show(progress: Progress) -> None:
    share = progress.steps_done / max(progress.steps_total, 1)
    diverged = f", {progress.diverged} diverged" if progress.diverged else ""
    _write(f"{_CLEAR}{int(100 * share)} % of the steps, time left {time_left(progress)}{diverged}")


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone; the run is not
        sys.stderr.write(text)
        sys.stderr.flush()
