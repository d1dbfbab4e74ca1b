"""Blocks in processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import types
from collections.abc import Generator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, ClassVar

from thermograd.ensemble.executors.process_worker import become_worker
from thermograd.numerics.whole_number import check_whole_number

_ENDING_SECONDS = 2.0
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Process:
    """Worker processes, each with one block at a time.

    They are spawned, not forked: a forked process would share locks and half of the threads of its parent. The main
    module of the caller is not imported in them, so a script needs no `if __name__ == "__main__"`.

    Attributes:
        workers: number of processes.
        threads_per_worker: threads inside one operation.

    Raises:
        ValueError: a number below 1.

    >>> Process(workers=4)
    Process(workers=4, threads_per_worker=1)
    """

    workers: int = 2
    threads_per_worker: int = 1

    remote: ClassVar[bool] = True
    survives_loss: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("workers", "threads_per_worker"):
            check_whole_number(name, getattr(self, name), 1, 4096)

    def check(self) -> None:
        """Nothing can be missing: the numbers were looked at when this was made."""

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[ProcessPoolExecutor]:
        """A pool of processes, which end with the context.

        Args:
            run: the run directory.

        Yields:
            The pool.

        Raises:
            BrokenExecutor: what the context raised, with a note on how processes ended.
        """
        del run
        started: list[SpawnProcess] = []
        pool = ProcessPoolExecutor(
            self.workers, mp_context=_Spawning(started), initializer=become_worker, initargs=(os.getpid(),)
        )
        try:
            yield pool
        except BrokenExecutor as broken:
            broken.add_note(_how_they_ended(started))
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(started)

    def alone(self, run: Path) -> contextlib.AbstractContextManager[ProcessPoolExecutor]:
        """A pool of one process."""
        return replace(self, workers=1).open(run)

    def lost(self, error: BaseException) -> bool:
        """Whether the pool is broken."""
        return isinstance(error, BrokenExecutor)


class _Process(SpawnProcess):
    """Starts without the main module of its parent, and deaf to signals until it has decided about them."""

    def start(self) -> None:
        main = sys.modules["__main__"]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Spawning(SpawnContext):
    """Remembers the processes it starts."""

    def __init__(self, started: list[SpawnProcess]) -> None:
        super().__init__()
        self._started = started

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]  # ruff: ignore[invalid-function-name] - its name in multiprocessing
        process = _Process(*arguments, **named)
        self._started.append(process)
        return process


def _how_they_ended(started: list[SpawnProcess]) -> str:
    """What the system knows of the processes that ended by themselves; of one that is just ending, in a moment."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while not (codes := _codes(started)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return ", ".join(signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes)


def _codes(started: list[SpawnProcess]) -> list[int]:
    return sorted({process.exitcode for process in started if process.pid is not None and process.exitcode})


def _end(started: list[SpawnProcess]) -> None:
    """End processes at once, and wait until they are gone: what they did is committed, or would be thrown away."""
    begun = [process for process in started if process.pid is not None]
    for process in begun:
        process.kill()
    for process in begun:
        process.join()
