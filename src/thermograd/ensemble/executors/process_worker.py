"""A worker process: it leaves signals to its coordinator, and does not outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from functools import cache

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 1.0
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def become_worker(coordinator: int) -> None:
    """Ignore SIGINT, SIGTERM and SIGHUP, which the coordinator answers for all, and die with the coordinator.

    Args:
        coordinator: its process; the parent of this one.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    die_with(coordinator)


@cache
def die_with(coordinator: int) -> None:
    """Make this process end when its parent does: by the kernel on Linux, elsewhere by looking once a second."""
    if not _asked_the_kernel():
        threading.Thread(target=_look_after, args=(coordinator,), daemon=True).start()
    if os.getppid() != coordinator:  # it died in between
        os._exit(1)


def _asked_the_kernel() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0)
    return False


def _look_after(coordinator: int) -> None:
    while os.getppid() == coordinator:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
