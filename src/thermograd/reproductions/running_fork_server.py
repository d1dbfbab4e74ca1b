"""A warm process that does each job in a forked child, so that it may be killed or meet a failing disk.

`python -m thermograd.reproductions.running_fork_server`: a line of JSON in, a line of JSON out. A start of a command
takes the time of a fork instead of that of importing PyTorch.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

from thermograd.ensemble.config import load_config
from thermograd.ensemble.run import run
from thermograd.reproductions.running_ambush import COORDINATOR
from thermograd.reproductions.running_controls import UnknownFaultError
from thermograd.reproductions.running_faulty_disk import FaultyDisk
from thermograd.reproductions.running_forked_workers import nurse, use_forked_workers
from thermograd.reproductions.running_jobs import Job, perform, prepare
from thermograd.reproductions.running_tiny_experiment import TinyExperiment

_LAZY = (
    "zarr.codecs safetensors.numpy numpy.ma thermograd.cli thermograd.cli.application thermograd.cli.run "
    "thermograd.cli.resume thermograd.ensemble.preparation thermograd.ensemble.resume"
).split()
_LOOK_SECONDS = 0.002
_PATIENCE, _LONGEST = 60.0, 150.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class _Child:
    """A forked child under way; its nurse forks its workers, if it is to have some."""

    pid: int
    answer: int
    out: IO[str]
    errors: IO[str]
    longest: float
    nurse: int | None = None
    status: int | None = None
    hits: list[str] = field(default_factory=list)

    def ended(self) -> bool:
        """Whether it has; asks the system."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def workers(self) -> list[int]:
        """The processes that train blocks for it."""
        return _children(self.pid if self.nurse is None else self.nurse)


class _Nurses:
    """The nurses of children that have ended; their workers may be at work still."""

    def __init__(self) -> None:
        self._left: list[int] = []

    def leave(self, child: _Child) -> None:
        """Keep that of a child, with the workers that are at work."""
        if child.nurse is not None:
            self._left.append(child.nurse)

    def wait(self) -> None:
        """Until their workers have left by themselves, were it late; then end what is left."""
        deadline = time.monotonic() + _PATIENCE
        while any(_children(pid) for pid in self._left) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self.sweep()

    def sweep(self) -> None:
        """End them all, and with them their workers."""
        for pid in self._left:
            workers = _children(pid)
            for number in (pid, *workers):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        self._left.clear()
        # workers that lost their parent are ours now
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def main() -> None:
    """Serve until stdin ends."""
    _warm_up()
    nurses = _Nurses()
    for line in sys.stdin:
        job = json.loads(line)
        answers = _served(job, nurses)
        if not job.get("leave_workers"):
            nurses.sweep()
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()
    nurses.sweep()


def _warm_up() -> None:
    """Import and try what a run needs, once for all children; but start no thread: a fork would lose it."""
    torch.set_num_threads(1)
    for name in _LAZY:
        importlib.import_module(name)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(TinyExperiment().toml)
        config.flush()
        run(load_config(config.name, allow_import=True).experiment, until=3)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()


def _served(job: Job, nurses: _Nurses) -> list[dict[str, Any]]:
    """Do a job `at_once` times, with `hits`: (seconds since its start, signal number, whom)."""
    if job["do"] == "wait for workers":
        nurses.wait()
        return [{}]
    if job["do"] == "sweep":
        return [{}]
    begun = time.monotonic()
    children = [_forked(job) for _ in range(job.get("at_once", 1))]
    for seconds, number, whom in job.get("hits", ()):
        while time.monotonic() - begun < seconds and not children[0].ended():
            time.sleep(_LOOK_SECONDS)
        if not children[0].ended():
            _hit(children[0], number, whom)
    if "race" in job:
        _finish_race(children, Path(job["race"]), begun + job["patience"])
    answers = [_answer(child, begun) for child in children]
    for child in children:
        nurses.leave(child)
    return answers


def _finish_race(children: list[_Child], file: Path, deadline: float) -> None:
    """Let the one that works go on when the others have ended; or all, if more than one does."""
    while sum(not child.ended() for child in children) > 1 and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    file.touch()


def _hit(child: _Child, number: int, whom: str) -> None:
    """Send a signal to the coordinator, or to one of the workers, "worker 3" is the fourth, if there is any."""
    targets = [child.pid]
    if whom != "coordinator":
        targets = child.workers()
    if targets:
        place = 0 if whom == "coordinator" else int(whom.split()[1])
        with contextlib.suppress(ProcessLookupError):
            os.kill(targets[place % len(targets)], number)
            child.hits.append(whom)


def _forked(job: Job) -> _Child:
    """A child that does the job; it stays in the process group of the server, to be ended with it."""
    out, errors = (tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") for _ in range(2))
    reading, writing = os.pipe()
    ours, nurses = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        nurses.close()
        os.dup2(out.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a shell starts what it puts behind with it ignored
        _prepared(job, writing)
        os.environ[COORDINATOR] = str(os.getpid())
        if job.get("forked_workers"):
            use_forked_workers(ours)
        os.write(writing, json.dumps(perform(job)).encode())
        os._exit(0)
    ours.close()
    os.close(writing)
    os.set_blocking(reading, False)
    child = _Child(pid, reading, out, errors, job.get("longest", _LONGEST), _nurse(job, nurses, child=pid))
    nurses.close()
    return child


def _prepared(job: Job, answer: int) -> None:
    """Prepare this process for its job; what cannot be broken on purpose is no outcome of a round."""
    try:
        prepare(job)
    except UnknownFaultError as error:
        os.write(answer, json.dumps({"unprepared": str(error)}).encode())
        os._exit(1)


def _nurse(job: Job, connection: socket.socket, child: int) -> int | None:
    """The process that forks the workers of a child, if it is to have some."""
    if not job.get("forked_workers"):
        return None
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(UnknownFaultError):  # the coordinator tells
            prepare(job)
        FaultyDisk(job["run"], job.get("worker_at"), job.get("fault", "kill"))
        os.environ[COORDINATOR] = str(child)
        nurse(connection)
    return pid


def _answer(child: _Child, begun: float) -> dict[str, Any]:
    """What a child said before it ended, however it ended."""
    while not child.ended():
        time.sleep(_LOOK_SECONDS)
        if time.monotonic() - begun > child.longest:
            os.kill(child.pid, signal.SIGKILL)
    ended = time.monotonic()
    said = b""
    with contextlib.suppress(BlockingIOError):  # a process of it lives on and holds the other end
        said = os.read(child.answer, 1 << 16)
    os.close(child.answer)
    left = child.workers() if child.nurse is not None else []
    status = child.status or 0
    found: dict[str, Any] = {
        "killed": os.WIFSIGNALED(status),
        "code": -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
        "ended": ended,
        "hung": ended - begun > child.longest,
        "seconds": ended - begun,
        "hits": child.hits,
        "workers": len(left),
        "pids": left,
    }
    for name, stream in (("out", child.out), ("errors", child.errors)):
        stream.seek(0)
        found[name] = stream.read()
        stream.close()
    silent = {"error": "ended without an answer", "message": found["errors"]}
    return {**found, **(json.loads(said) if said else silent)}


def _children(pid: int) -> list[int]:
    """The children of a process that run Python code of ours; none where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split() if not _tracker(word)]


def _tracker(pid: str) -> bool:
    """Whether a process only keeps the books of `multiprocessing`."""
    with contextlib.suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


if __name__ == "__main__":
    main()
