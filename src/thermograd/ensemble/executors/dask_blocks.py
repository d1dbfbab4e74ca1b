"""Blocks given to the scheduler of a Dask client."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thermograd.ensemble.executors.shared_folder import train_shared
from thermograd.ensemble.notice import notice_from
from thermograd.errors import EngineUnavailableError
from thermograd.store.manifest import read_manifest

_RUNNING = {"init", "running", "paused"}


class DaskBlocks:
    """An executor for the blocks of one run.

    Args:
        client: a `distributed.Client`.
        run: the run directory, as the coordinator sees it.
    """

    def __init__(self, client: Any, run: Path) -> None:
        self._client = client
        self._run_id = read_manifest(run).run_id
        _warn_of_threads(client.nthreads())

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> DaskBlock:
        """Give out one block; the worker refuses if it sees another run.

        Args:
            function: trains the block.
            arguments: run directory, block, generation.

        Returns:
            Its future.

        Raises:
            EngineUnavailableError: the scheduler is gone.
        """
        if self._client.status != "running":
            message = (
                "the Dask scheduler is gone; everything that was committed is kept. Go on when there is one again: "
                "the same command, or thermograd resume"
            )
            raise EngineUnavailableError(message)
        # not `pure`: equal tasks would be one, and a block that is given out again would not run again
        return DaskBlock(
            self._client.submit(_on_worker, self._run_id, function, *arguments, pure=False, retries=0)
        )


class DaskBlock:
    """The future of a block.

    Args:
        future: a `distributed.Future`.
    """

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        """Whether `result` returns at once."""
        return bool(self._future.done())

    def result(self) -> Any:
        """What training returned or raised."""
        return self._future.result()

    def cancel(self) -> bool:
        """Keep the block from starting; a worker that has begun it cannot be interrupted."""
        if self._future.done():
            return False
        self._future.cancel()
        return True


def worker_died(error: BaseException) -> bool:
    """Whether Dask says that workers died each time they had the task."""
    if not type(error).__module__.startswith("distributed."):
        return False
    return isinstance(error, importlib.import_module("distributed").KilledWorker)


def warn_of_nobody(threads: dict[str, int], address: str) -> None:
    """Say that blocks will wait, if a scheduler has no workers.

    Args:
        threads: of each worker, by its address.
        address: of the scheduler, or its file.
    """
    if not threads:
        option = "--scheduler-file " if address.endswith(".json") else ""
        message = (
            f"the Dask scheduler at {address} has no workers yet; blocks wait for the first one: "
            f"dask worker {option}{address} --nthreads 1"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def _on_worker(
    run_id: str, train: Callable[[str, int, int], Any], run: str, block: int, generation: int
) -> Any:
    worker = importlib.import_module("distributed").get_worker()
    with notice_from(lambda: worker.status.name not in _RUNNING):
        return train_shared(run_id, train, run, block, generation)


def _warn_of_threads(threads: dict[str, int]) -> None:
    several = sorted(address for address, count in threads.items() if count > 1)
    if several:
        message = (
            f"{len(several)} of {len(threads)} Dask workers have several threads ({several[0]}: "
            f"{threads[several[0]]}), but a process trains one block at a time. To use all cores, start as many "
            "workers as there are cores, each with --nthreads 1"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)
