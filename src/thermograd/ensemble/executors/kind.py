"""What a kind of executor offers to the coordinator of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from thermograd.protocols import Executor


class ExecutorKind(Protocol):
    """A way to run blocks: a frozen dataclass whose fields are the options of a config.

    A kind with a field `threads_per_worker` decides the threads of a run that it begins; one that goes on with a
    run takes those of the run.
    """

    @property
    def workers(self) -> int:
        """How many blocks can be at work at once; 0 where nobody knows."""

    @property
    def remote(self) -> bool:
        """Whether blocks run elsewhere: such a kind gets texts and numbers only, never an object of the caller."""

    @property
    def survives_loss(self) -> bool:
        """Whether an open executor goes on when a worker dies; otherwise it is opened anew."""

    def check(self) -> None:
        """Refuse now what could not run a block, before anything is written.

        Raises:
            ConfigError: an option that the kind's packages do not know, or a scheduler or queue that is not there.
            MissingExtraError: a package is not installed.
        """

    def open(self, run: Path) -> AbstractContextManager[Executor]:
        """An executor; leaving the context waits for nothing without end and leaves no process behind."""

    def alone(self, run: Path) -> AbstractContextManager[Executor]:
        """A fresh executor of one worker, for a block that may have killed its worker."""

    def lost(self, error: BaseException) -> bool:
        """Whether the exception of a future means that its worker died."""
