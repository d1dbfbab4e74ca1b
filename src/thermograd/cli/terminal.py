"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, TextIO

from thermograd.store.printable import printable

_NOBODY_THERE = {errno.EPIPE, errno.EIO}
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


def set_quiet(quiet: bool) -> None:
    """Whether `say` is silent."""
    _QUIET.set(quiet)


def quiet() -> bool:
    """Whether only results and errors are wanted."""
    return _QUIET.get()


def say(line: str) -> None:
    """Something a person may want to know."""
    if not quiet():
        complain(line)


def complain(line: str) -> None:
    """An error; nobody being left to hear it is none (`2>&1 | head`, a window that was closed)."""
    try:
        print(_harmless(line), file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno in _NOBODY_THERE:
            _discard(sys.stderr)


def _harmless(text: str) -> str:
    """The text without what would drive a terminal: some of it comes from files."""
    return "\n".join(map(printable, text.split("\n")))


def result(line: str) -> None:
    """One line of the result."""
    print(line, flush=True)


def result_json(content: Mapping[str, Any]) -> None:
    """The result as one JSON object; what is not finite becomes null."""
    result(json_text(content))


def json_text(content: Mapping[str, Any]) -> str:
    """A JSON object, strictly: what is not finite becomes null.

    >>> print(json_text({"mean": float("inf")}))
    {
     "mean": null
    }
    """
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, default=str, allow_nan=False)


def reader_left() -> int:
    """The exit code when whoever read stdout has gone (`| head`), with stdout made harmless."""
    discard_output()
    return 0


def discard_output() -> None:
    """Send stdout nowhere, so that flushing it at the end cannot fail once more."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
