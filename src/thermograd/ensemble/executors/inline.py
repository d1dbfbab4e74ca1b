"""Blocks in the caller, one after another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


class InlineExecutor:
    """Runs a task in the caller, before `submit` returns.

    >>> InlineExecutor().submit(max, 1, 2).result()
    2
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """The finished future of `function(*arguments)`; interruptions pass through."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # handed to whoever asks for the result
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Inline:
    """One block after another in the calling process: the only way for objects that no text can name.

    >>> Inline().workers, Inline().remote
    (1, False)
    """

    workers: ClassVar[int] = 1
    remote: ClassVar[bool] = False
    survives_loss: ClassVar[bool] = True

    def check(self) -> None:
        """Nothing can be missing."""

    @contextlib.contextmanager
    def open(self, run: Path) -> Generator[InlineExecutor]:
        """The caller itself.

        Args:
            run: the run directory.

        Yields:
            The executor.
        """
        del run
        yield InlineExecutor()

    def alone(self, run: Path) -> contextlib.AbstractContextManager[InlineExecutor]:
        """The caller itself."""
        return self.open(run)

    def lost(self, error: BaseException) -> bool:
        """Never: who could tell."""
        del error
        return False
