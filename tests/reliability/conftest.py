"""Fork servers, and the truth that everything is compared with."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

TINY = {"trajectories": 2, "block_size": 2, "steps": 3, "diverging": [], "observables": 1}
SMALL = {"trajectories": 5, "block_size": 2, "steps": 9, "diverging": [3], "observables": 3}
SERVERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
NIGHTLY = bool(os.environ.get("THERMOGRAD_NIGHTLY"))

Job = dict[str, Any]
Ask = Callable[[list[Job]], list[dict[str, Any]]]


class Server:
    """One warm process that forks a child per job."""

    def __init__(self) -> None:
        script = Path(__file__).parent / "fork_server.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, job: Job) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**job, "run": str(job["run"])}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        """End it together with the children that a failing test may have left it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Pool:
    """Several servers; each call of `series` keeps one of them for a chain of jobs."""

    def __init__(self, servers: list[Server]) -> None:
        self.free: queue.Queue[Server] = queue.Queue()
        for server in servers:
            self.free.put(server)

    def ask(self, job: Job) -> dict[str, Any]:
        server = self.free.get()
        try:
            return server.ask(job)
        finally:
            self.free.put(server)

    def each(self, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        with ThreadPoolExecutor(SERVERS) as threads:
            return list(threads.map(work, items))


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with contextlib.ExitStack() as servers:
        yield Pool([servers.enter_context(Server()) for _ in range(SERVERS)])


@pytest.fixture(scope="session")
def nightly() -> bool:
    return NIGHTLY


@pytest.fixture(scope="session")
def thinned() -> Callable[[list[Any], int], list[Any]]:
    """All of a list at night (THERMOGRAD_NIGHTLY=1), every so manieth of it otherwise."""
    return lambda items, stride: items if NIGHTLY else items[::stride]


@pytest.fixture(scope="session")
def tiny() -> Job:
    return TINY


@pytest.fixture(scope="session")
def small() -> Job:
    return SMALL


@pytest.fixture(scope="session")
def truth(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The numbers of one uninterrupted tiny run."""
    return _numbers(pool, TINY, tmp_path_factory.mktemp("truth") / "run")


@pytest.fixture(scope="session")
def small_truth(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The numbers of one uninterrupted small run: three blocks, one divergence."""
    return _numbers(pool, SMALL, tmp_path_factory.mktemp("truth") / "small")


def _numbers(pool: Pool, map_: Job, path: Path) -> dict[str, bytes]:
    import logistic_map

    from thermograd.store.reader import open_run

    assert pool.ask({"run": path, "map": map_})["error"] == ""
    return logistic_map.everything(open_run(path))


@pytest.fixture(scope="session")
def born(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was made but has not begun."""
    folder = tmp_path_factory.mktemp("born")
    whole = pool.ask({"run": folder / "counted", "map": TINY})["writes"]
    low, high = 1, whole
    while high - low > 1:  # the first write that leaves a directory behind
        middle = (low + high) // 2
        path = folder / f"{middle}"
        pool.ask({"run": path, "map": TINY, "at": middle})
        low, high = (low, middle) if path.exists() else (middle, high)
    pool.ask({"run": folder / "run", "map": TINY, "at": high})
    assert (folder / "run" / "manifest.json").exists()
    return folder / "run"
