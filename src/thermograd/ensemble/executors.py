"""What runs the blocks of a run directory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from thermograd.discover import nearest
from thermograd.errors import ConfigError

KINDS = ("inline", "process", "dask", "submitit")


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


def check_executor(choice: Any) -> InlineExecutor:
    """The executor of a choice.

    Args:
        choice: None or "inline", or an `InlineExecutor`.

    Returns:
        The executor.

    Raises:
        ConfigError: another kind, or an executor object: not in this version; or an unknown kind.
    """
    if choice is None or choice == "inline":
        return InlineExecutor()
    if isinstance(choice, InlineExecutor):
        return choice
    if isinstance(choice, str) and choice not in KINDS:
        message = f"unknown kind {choice!r}. {nearest(choice, KINDS)}"
    else:
        kind = repr(choice) if isinstance(choice, str) else f"an object of type {type(choice).__name__}"
        message = (
            f"{kind} is not in this version; use 'inline' (the default), which runs every block in the caller"
        )
    problem = ("executor.kind", message)
    message = f"executor.kind: {message}"
    raise ConfigError(message, (problem,))
