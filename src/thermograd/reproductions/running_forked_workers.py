"""Worker processes that start in the time of a fork, for the executor `process`.

They do what the spawned ones do and are lost in the same way, but their parent is not the coordinator: as workers on
another machine, they live on when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NoReturn

from thermograd.ensemble.executors.process import Process
from thermograd.ensemble.executors.process_worker import become_worker

_LOOK_SECONDS = 0.005
_PATIENCE = 2.0
_MOST = 1 << 17
_LOST = (False, BrokenProcessPool("a worker died"))


def nurse(connection: socket.socket) -> NoReturn:
    """Fork a worker for every socket that arrives, until nobody can send any more; ends when the last one has.

    Args:
        connection: sockets arrive here, on each of which a worker is to be given its tasks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, descriptors, *_ = socket.recv_fds(connection, 1, 1)
        if not message:
            break
        if os.fork() == 0:
            connection.close()
            _work(socket.socket(fileno=descriptors[0]))
        os.close(descriptors[0])
        _reap(os.WNOHANG)
    _reap(0)
    os._exit(0)


def use_forked_workers(connection: socket.socket) -> None:
    """Let the executor `process` of this process take its workers from `nurse`.

    Args:
        connection: to the nurse.
    """

    @contextlib.contextmanager
    def opened(kind: Process, run: Path) -> Generator[_Pool]:
        del run
        pool = _Pool(connection, kind.workers)
        patience = 0.0
        try:
            yield pool
            patience = _PATIENCE
        finally:
            pool.end(patience)

    Process.open = opened  # type: ignore[method-assign,assignment]  # that is the point of it


class _Pool:
    """As many workers at a time as asked for; when one dies it is broken, like a `ProcessPoolExecutor`."""

    def __init__(self, connection: socket.socket, workers: int) -> None:
        self._workers = [_Worker(connection) for _ in range(workers)]
        self._waiting: list[_Task] = []
        self._broken = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> _Task:
        if self._broken:
            message = "a worker died; no more tasks are taken"
            raise BrokenProcessPool(message)
        task = _Task(self, pickle.dumps((function, arguments)))
        self._waiting.append(task)
        self.look()
        return task

    def look(self) -> None:
        """Hear what workers say, and hand out tasks to those that are free."""
        for worker in self._workers:
            worker.hear()
        if any(worker.lost for worker in self._workers):
            self._broken = True
            for task in [*(worker.task for worker in self._workers), *self._waiting]:
                if task is not None:
                    task.settle(_LOST)
            self._waiting.clear()
        for worker in self._workers:
            if self._waiting and worker.task is None:
                worker.begin(self._waiting.pop(0))

    def withdraw(self, task: _Task) -> bool:
        """Whether a task had not begun, and now never will."""
        if task not in self._waiting:
            return False
        self._waiting.remove(task)
        return True

    def end(self, patience: float) -> None:
        """Wait a little for workers to end, then kill those that are left, and wait for their end."""
        deadline = time.monotonic() + patience
        for worker in self._workers:
            worker.leave()
        while not all(worker.lost for worker in self._workers):
            if time.monotonic() >= deadline:
                for worker in self._workers:
                    worker.kill()
            time.sleep(_LOOK_SECONDS)
            for worker in self._workers:
                worker.hear()


class _Worker:
    """One process from the nurse, and the task it is at."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(connection, [b"w"], [theirs.fileno()])
        theirs.close()
        said = b""
        with contextlib.suppress(ConnectionResetError):  # killed before it could say its number
            said = self._socket.recv(_MOST)
        self._pid = int(said) if said else None
        self._socket.setblocking(False)
        self.task: _Task | None = None
        self.lost = not said

    def begin(self, task: _Task) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is heard of next
            self._socket.send(task.message)
        self.task = task

    def hear(self) -> None:
        """What it says: nothing yet, the outcome of its task, or that it is dead."""
        if self.lost:
            return
        try:
            said = self._socket.recv(_MOST)
        except BlockingIOError:
            return
        except ConnectionResetError:
            said = b""
        if said and self.task is not None:
            self.task.settle(pickle.loads(said))
            self.task = None
        self.lost = not said

    def leave(self) -> None:
        """Tell it that there is nothing more to do."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


class _Task:
    """A future."""

    def __init__(self, pool: _Pool, message: bytes) -> None:
        self._pool = pool
        self._outcome: tuple[bool, Any] | None = None
        self.message = message

    def settle(self, outcome: tuple[bool, Any]) -> None:
        self._outcome = self._outcome or outcome

    def done(self) -> bool:
        if self._outcome is None:
            self._pool.look()
        return self._outcome is not None

    def result(self) -> Any:
        while not self.done():
            time.sleep(_LOOK_SECONDS)
        assert self._outcome is not None
        good, value = self._outcome
        if good:
            return value
        raise value

    def cancel(self) -> bool:
        if not self._pool.withdraw(self):
            return False
        self.settle((False, CancelledError()))
        return True


def _work(tasks: socket.socket) -> NoReturn:
    """What a worker does, from its birth to its death."""
    become_worker(os.getppid())
    with contextlib.suppress(OSError):  # the coordinator is dead
        tasks.send(str(os.getpid()).encode())
        while message := tasks.recv(_MOST):
            outcome: tuple[bool, Any]
            try:
                function, arguments = pickle.loads(message)
                outcome = True, function(*arguments)
            except Exception as error:  # handed to whoever asks for the result
                outcome = False, error
            tasks.send(pickle.dumps(outcome))
    os._exit(0)


def _reap(how: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass
