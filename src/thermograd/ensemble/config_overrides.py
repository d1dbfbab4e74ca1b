"""Changing a config from the command line: `--KEY.PATH VALUE`, values in TOML syntax, bare text is a string."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from thermograd.ensemble.config_errors import Problem

_EXCLUSIVE = {"steps": "epochs", "epochs": "steps"}


def overridden(
    content: Mapping[str, Any], overrides: Iterable[tuple[str, str]]
) -> tuple[dict[str, Any], list[Problem]]:
    """A config with some values replaced.

    A change of `kind` drops the fields of the old kind; `steps` replaces `epochs` and the other way round.

    Args:
        content: the config as read.
        overrides: (dotted path, text); numbers in a path are positions in lists.

    Returns:
        The changed copy, and what could not be applied.

    >>> overridden({"epochs": 3, "dynamics": "sgd"}, [("dynamics.momentum", "0.9"), ("steps", "7")])
    ({'dynamics': {'kind': 'sgd', 'momentum': 0.9}, 'steps': 7}, [])
    """
    changed = copy.deepcopy(dict(content))
    problems: list[Problem] = []
    # kinds first: they decide which other fields there are
    for path, text in sorted(overrides, key=lambda entry: entry[0].rpartition(".")[2] != "kind"):
        problem = _set(changed, path.split("."), _value(text))
        if problem is not None:
            problems.append((path, problem))
    return changed, problems


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text


def _set(table: dict[str, Any], path: list[str], value: Any) -> str | None:
    cursor: Any = table
    for place, key in enumerate(path[:-1]):
        child = _child(cursor, key)
        if isinstance(child, str):
            child = {"kind": child}
            cursor[_index(cursor, key)] = child
        if not isinstance(child, dict | list):
            where = ".".join(path[: place + 1])
            return (
                f"cannot be set: {where} is not a table"
                if child is not None
                else f"cannot be set: there is no {where}"
            )
        cursor = child
    last = _index(cursor, path[-1])
    if isinstance(cursor, list):
        if not isinstance(last, int) or not 0 <= last < len(cursor):
            return f"cannot be set: the list has {len(cursor)} entries, counted from 0"
        cursor[last] = value
        return None
    if last == "kind" and cursor.get("kind") != value:
        cursor.clear()
    if cursor is table and last in _EXCLUSIVE:
        cursor.pop(_EXCLUSIVE[str(last)], None)
    cursor[last] = value
    return None


def _child(cursor: Any, key: str) -> Any:
    index = _index(cursor, key)
    if isinstance(cursor, list):
        return cursor[index] if isinstance(index, int) and 0 <= index < len(cursor) else None
    return cursor.setdefault(index, {})


def _index(cursor: Any, key: str) -> int | str:
    return int(key) if isinstance(cursor, list) and key.isdecimal() else key
