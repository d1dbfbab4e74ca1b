"""Blocks as jobs of submitit."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

from thermograd.ensemble.executors.submitit_job import BlockJob, Raised
from thermograd.ensemble.executors.terminal_signals import unheard_by_children

_LOOK_SECONDS = 0.05


class SubmititBlocks:
    """An executor for the blocks of one run; what was handed in since the last look becomes one job array.

    Args:
        executor: a `submitit.AutoExecutor`.
        run_id: of the run.
        width: jobs at a time where nothing queues them, on this machine; 0 = all.
        died: makes the error of a process that left nothing.
    """

    def __init__(self, executor: Any, run_id: str, width: int, died: Callable[[str], Exception]) -> None:
        self.died = died
        self.processes = executor.cluster == "local"
        self._executor = executor
        self._run_id = run_id
        self._width = width
        self._waiting: deque[SubmititBlock] = deque()
        self._at_work: list[SubmititBlock] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> SubmititBlock:
        """Keep one block for the next array.

        Args:
            function: trains the block.
            arguments: run directory, block, generation.

        Returns:
            Its future.
        """
        block = SubmititBlock(self, partial(BlockJob(self._run_id, function), *arguments))
        self._waiting.append(block)
        return block

    def advance(self) -> None:
        """Submit what there is room for."""
        if not self._waiting:
            return
        self._at_work = [block for block in self._at_work if not block.ended()]
        room = len(self._waiting) if not self._width else self._width - len(self._at_work)
        batch = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        if not batch:
            return
        with unheard_by_children():
            jobs = self._executor.submit_array([block.task for block in batch])
        for block, job in zip(batch, jobs, strict=True):
            block.job = job
        self._at_work += batch

    def withdraw(self, block: SubmititBlock) -> bool:
        """Take back what is not submitted."""
        if block not in self._waiting:
            return False
        self._waiting.remove(block)
        return True

    def close(self) -> None:
        """End all jobs that are not."""
        self._waiting.clear()
        left = [block.job for block in self._at_work if not block.ended()]
        for job in left:
            with contextlib.suppress(OSError):
                if self.processes:
                    os.kill(int(job.job_id), signal.SIGKILL)  # its worker dies with it
                else:
                    job.cancel(check=False)
        while self.processes and not all(job.done() for job in left):
            time.sleep(_LOOK_SECONDS)


class SubmititBlock:
    """The future of a block.

    Args:
        blocks: whose it is.
        task: what the job runs.

    Attributes:
        job: the `submitit.Job`, None before it is submitted.
    """

    def __init__(self, blocks: SubmititBlocks, task: Callable[[], Any]) -> None:
        self.task = task
        self.job: Any = None
        self._blocks = blocks
        self._withdrawn = False

    def ended(self) -> bool:
        """Whether the job is over."""
        return self.job is not None and bool(self.job.done())

    def done(self) -> bool:
        """Whether `result` returns at once."""
        if not self._withdrawn:
            self._blocks.advance()
        return self._withdrawn or self.ended()

    def result(self) -> Any:
        """What training returned or raised.

        Raises:
            CancelledError: it was cancelled.
        """
        while not self.done():
            time.sleep(_LOOK_SECONDS)
        if self._withdrawn:
            message = "the block was taken back before it was submitted"
            raise CancelledError(message)
        if self._blocks.processes and not self.job.paths.result_pickle.exists():
            error = self._blocks.died(
                f"job {self.job.job_id} ended without a result; see {self.job.paths.stderr}"
            )
            raise error
        answer = self.job.result()
        if isinstance(answer, Raised):
            raise answer.error
        return answer

    def cancel(self) -> bool:
        """Keep the block from starting; a job that waits in a queue is taken out of it."""
        if self._blocks.withdraw(self):
            self._withdrawn = True
        elif not self._blocks.processes and not self.ended():
            self.job.cancel(check=False)
        return self._withdrawn
