"""Fork servers from the outside: jobs in, answers out, two at a time at most."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from thermograd.reproductions.running_jobs import Job

Answer = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")
_PATIENCE = 10.0


class Servers:
    """Several warm processes; each works on one job at a time. A context manager, which ends them.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free: queue.Queue[_Server] = queue.Queue()
        self._all: list[_Server] = []
        self._mine = threading.local()

    def __enter__(self) -> Servers:
        self._all = [_Server() for _ in range(self._count)]
        for server in self._all:
            self._free.put(server)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._all:
            server.end()

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return [server.pid for server in self._all]

    def ask(self, job: Job) -> Answer:
        """Do one job.

        Besides the keys of `running_jobs` a job may have: `hits`, a list of (seconds since its start, signal number,
        "coordinator" or "worker 1"); `longest`, the seconds after which it has hung; `race`, a file that is made when all
        children but one have ended, or when the seconds of `patience` are over; `forked_workers`, with which the executor
        `process` takes its workers from a fork; `worker_at`, from which change on their disk fails; `leave_workers`,
        with which those at work when it ends live on, to the end of the round or of the next job without it.

        Args:
            job: what to do.

        Returns:
            `code`, the exit code, minus the signal that ended it; `killed`, whether one did; `seconds` it took and when
            it `ended` by the monotonic clock; `hits` that met somebody; how many `workers` live on, and their `pids`;
            `out` and `errors` that it wrote; and what the job tells.
        """
        return self.ask_all(job)[0]

    def ask_all(self, job: Job) -> list[Answer]:
        """Do one job `at_once` times at once; see `ask`.

        Raises:
            RuntimeError: what was to be broken on purpose is not there to be broken, or a child did not end.
        """
        mine: _Server | None = getattr(self._mine, "server", None)
        server = self._free.get() if mine is None else mine
        try:
            answers = server.ask(job)
        finally:
            if mine is None:
                self._free.put(server)
        for answer in answers:
            if "unprepared" in answer:
                message = f"the harness does not fit the package: {answer['unprepared']}"
                raise RuntimeError(message)
            if answer.get("hung"):
                message = f"it did not end and was killed: {job}; it had said: {answer['errors']}"
                raise RuntimeError(message)
        return answers

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """`work` of every item, as many at a time as there are servers, each with one of its own; in order."""

        def with_a_server(item: T) -> R:
            self._mine.server = self._free.get()
            try:
                return work(item)
            finally:
                self._mine.server.ask({"do": "sweep"})
                self._free.put(self._mine.server)
                self._mine.server = None

        with ThreadPoolExecutor(self._count) as threads:
            return list(threads.map(with_a_server, items))


class _Server:
    """One warm process that forks a child per job."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "thermograd.reproductions.running_fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, job: Job) -> list[Answer]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job, default=_plain) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            message = f"a fork server has ended (exit code {self._process.wait()}); what it wrote to stderr says why"
            raise RuntimeError(message)
        answers: list[Answer] = json.loads(line)
        return answers

    def end(self) -> None:
        """End it together with what rounds left it; what hangs is killed."""
        assert self._process.stdin is not None
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            self._process.stdin.close()
            self._process.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else int(value)
