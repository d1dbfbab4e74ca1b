"""An executor that the caller made."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from thermograd.errors import BlockFailedError
from thermograd.protocols import Executor

_LOST = {"KilledWorker", "UncompletedJobError"}


@dataclass(frozen=True)
class Given:
    """Anything with `submit(function, *arguments)` whose workers see the run directory; it is left open.

    Attributes:
        executor: the object.
        workers: how many blocks it can run at once, 0 if it does not say.
    """

    executor: Any
    workers: int = 0

    remote: ClassVar[bool] = True
    survives_loss: ClassVar[bool] = True

    def check(self) -> None:
        """Nothing is asked of it: whoever made it knows it."""

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[Executor]:
        """The executor as it is.

        Args:
            run: the run directory.

        Yields:
            The executor.
        """
        del run
        yield self.executor

    @contextlib.contextmanager
    def alone(self, run: Path) -> Generator[Executor]:
        """The executor as it is: there is no other one.

        Args:
            run: the run directory.

        Yields:
            The executor.

        Raises:
            BlockFailedError: it takes no more tasks.
        """
        del run
        try:
            self.executor.submit(_nothing).cancel()
        except BrokenExecutor as error:
            message = (
                f"the {type(self.executor).__name__} given as executor lost a worker and takes no more blocks "
                f"({error}); everything that was committed is kept. Go on with a new one, or with "
                "executor='process', which replaces lost workers"
            )
            raise BlockFailedError(message) from error
        yield self.executor

    def lost(self, error: BaseException) -> bool:
        """Whether an exception is one by which known executors tell of a lost worker."""
        return isinstance(error, BrokenExecutor) or type(error).__name__ in _LOST


def _nothing() -> None:
    """A task that only asks whether tasks are taken."""
