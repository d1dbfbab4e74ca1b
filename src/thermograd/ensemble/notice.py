"""A worker is told that its place is about to be taken away: leave at the next step boundary."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextvars import ContextVar

_ASKED: ContextVar[Callable[[], bool]] = ContextVar("thermograd_notice", default=lambda: False)


def under_notice() -> bool:
    """Whether whoever runs this worker wants its place back: a wall-clock limit, a node that is drained.

    >>> under_notice()
    False
    """
    return _ASKED.get()()


@contextlib.contextmanager
def notice_from(asked: Callable[[], bool]) -> Generator[None]:
    """What is trained inside leaves as soon as `asked` says so.

    Args:
        asked: cheap; called twice a second.

    Yields:
        Nothing.

    >>> with notice_from(lambda: True):
    ...     under_notice()
    True
    """
    token = _ASKED.set(asked)
    try:
        yield
    finally:
        _ASKED.reset(token)
