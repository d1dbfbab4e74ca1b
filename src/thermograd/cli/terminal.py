"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from thermograd.store.printable import printable

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
        print(_harmless(line), file=sys.stderr, flush=True)


def complain(line: str) -> None:
    """An error."""
    print(_harmless(line), file=sys.stderr, flush=True)


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
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
