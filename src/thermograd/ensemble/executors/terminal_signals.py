"""What a terminal sends to all its processes at once is meant for the coordinator alone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from multiprocessing import resource_tracker

_SENT_TO_ALL = {signal.SIGINT, signal.SIGHUP}


@contextlib.contextmanager
def unheard_by_children() -> Generator[None]:
    """Processes and threads started inside, and what they start, never see SIGINT and SIGHUP.

    Ctrl-C reaches every process of the terminal's foreground group. The coordinator answers it by asking for
    checkpoints; a worker that heard it too would be dead before it wrote one. A blocked signal stays blocked
    in whatever is started, where an ignored one could be unignored, and none is lost to the caller meanwhile.

    Yields:
        Nothing.

    >>> with unheard_by_children():
    ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    True
    """
    resource_tracker.ensure_running()  # else the first spawned process starts it, which unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SENT_TO_ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
