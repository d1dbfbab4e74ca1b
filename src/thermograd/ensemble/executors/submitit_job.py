"""What runs in a job: one block, which leaves with a checkpoint when its time is nearly up."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from thermograd.ensemble.executors.process_worker import die_with
from thermograd.ensemble.executors.shared_folder import train_shared
from thermograd.ensemble.notice import notice_from

_NOTICE = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Raised:
    """An exception on its way back: submitit itself brings its text only."""

    error: Exception


@dataclass(frozen=True)
class BlockJob:
    """A callable for submitit.

    submitit's own answer to the signal before a wall-clock limit is to pickle the task and to end the process, in the
    middle of a step. Here the signal is kept for the next step boundary: the block is committed there, and reported
    as left, so that it is submitted again.

    Attributes:
        run_id: of the run that is meant.
        train: trains a block.
    """

    run_id: str
    train: Callable[[str, int, int], Any]

    def __call__(self, run: str, block: int, generation: int) -> Any:
        """What training returns, or `Raised`.

        Args:
            run: path of the run directory.
            block: which block.
            generation: the start that gave it out.
        """
        asked: list[int] = []
        if "SUBMITIT_DEBUG_JOB_ID" not in os.environ:  # else this is the coordinator itself
            _listen(asked)
        try:
            with notice_from(lambda: bool(asked)):
                return train_shared(self.run_id, self.train, run, block, generation)
        except Exception as error:
            return Raised(_portable(error))


def _listen(asked: list[int]) -> None:
    def received(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    for number in _NOTICE:
        signal.signal(number, received)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    controller = os.environ.get("SUBMITIT_LOCAL_JOB_ID")
    if controller is not None:
        die_with(int(controller))


def _portable(error: Exception) -> Exception:
    """The exception, or one of the same words if it cannot be pickled and brought back."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
