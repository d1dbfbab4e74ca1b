"""Errors of a config, all of a file together: dotted path, what was got, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from thermograd.discover import nearest
from thermograd.ensemble.executors.choice import kind_of_queue
from thermograd.errors import ConfigError
from thermograd.store.printable import printable

Problem = tuple[str, str]


def config_error(source: str, problems: Iterable[Problem]) -> ConfigError:
    """One error for all problems of a file.

    >>> str(config_error("a.toml", [("seed", "got -1; should be 0 or larger")]))
    'a.toml: seed: got -1; should be 0 or larger'
    """
    found = tuple(dict.fromkeys((printable(path), printable(text)) for path, text in problems))
    lines = [f"{path}: {text}" if path else text for path, text in found]
    where = printable(source)
    if len(lines) == 1:
        return ConfigError(f"{where}: {lines[0]}", found)
    return ConfigError(f"{where}: {len(lines)} errors\n  " + "\n  ".join(lines), found)


def problems_of(
    errors: Iterable[Mapping[str, Any]], content: Mapping[str, Any], known: Mapping[str, Iterable[str]]
) -> list[Problem]:
    """What pydantic found, in our words.

    Args:
        errors: `ValidationError.errors()`.
        content: what was validated.
        known: fields by `path of the table` or kind, for suggestions; "" is the top level.

    Returns:
        (dotted path, message), one per path.
    """
    merged: dict[str, list[str]] = {}
    for error in errors:
        location = tuple(error["loc"])
        path, got, table = _place(location, content)
        if error["type"] == "extra_forbidden":
            table = _place(location[:-1], content)[2]  # the field may itself be a table with a kind
        text = _message(error, got, table, known)
        if error["type"] == "value_error":
            path = _narrowed(path, text, table)
        if error["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            path = f"{path}.kind"
        merged.setdefault(path, []).append(text)
    return [(path, _joined(texts)) for path, texts in merged.items()]


def _place(location: tuple[Any, ...], content: Any) -> tuple[str, Any, Any]:
    """Dotted path of an error, the value there, and the table that holds it; tags of unions are left out."""
    parts: list[str] = []
    cursor, table, tagged = content, content, False
    for part in location:
        if isinstance(cursor, Mapping):
            if not tagged and parts and cursor.get("kind") == part:
                tagged = True
                continue
            table = cursor
            cursor = cursor.get(part, _ABSENT)
        elif isinstance(cursor, list) and isinstance(part, int) and part < len(cursor):
            cursor = cursor[part]
        else:
            break  # the rest names the members of a union of plain types
        tagged = False
        parts.append(str(part))
    return ".".join(parts), cursor, cursor if isinstance(cursor, Mapping) else table


_ABSENT = object()


def _message(error: Mapping[str, Any], got: Any, table: Any, known: Mapping[str, Iterable[str]]) -> str:
    kind = table.get("kind") if isinstance(table, Mapping) else None
    match error["type"]:
        case "extra_forbidden":
            name = str(error["loc"][-1])
            owner = f" for kind {kind!r}" if isinstance(kind, str) else ""
            fields = known.get(kind if isinstance(kind, str) else _owner(error, known), known[""])
            if name in fields:
                return f"cannot be given in a config file{owner}; give it in Python, with tg.run"
            if set(fields) == {"kind"}:
                owners = ", ".join(repr(other) for other in sorted(known) if other and name in known[other])
                return f"kind {kind!r} has no options" + (f"; {name} is one of {owners}" if owners else "")
            return f"unknown field{owner}. {nearest(name, fields)}"
        case "union_tag_invalid":
            expected = re.findall(r"'([^']*)'", error["ctx"]["expected_tags"])
            tag = str(error["ctx"]["tag"])
            queue = kind_of_queue(tag) if error["loc"][0] == "executor" else ""
            return f"unknown kind {tag!r}. {nearest(tag, expected)}{queue}"
        case "union_tag_not_found":
            return "the table has no 'kind'"
        case "literal_error" if error["loc"][-1] == "kind":
            expected = re.findall(r"'([^']*)'", error["ctx"]["expected"])
            return f"unknown kind {got!r}. {nearest(str(got), expected)}"
        case "missing":
            return "is missing" if error["loc"][-1] != "kind" else "the table has no 'kind'"
        case "value_error":
            return str(error["ctx"]["error"])
    return f"got {_shown(got)}; {error['msg'].replace('Input should', 'it should')}"


def _owner(error: Mapping[str, Any], known: Mapping[str, Iterable[str]]) -> str:
    return next((part for part in error["loc"] if part in known), "")


def _narrowed(path: str, message: str, table: Any) -> str:
    """The path of the field that a message of a class begins with, if it does."""
    first = re.match(r"(?:[A-Z]\w*\.)?([a-z_]\w*) (?:is|holds|must)\b", message)
    if first is not None and isinstance(table, Mapping) and first[1] in table:
        return f"{path}.{first[1]}" if path else first[1]
    return path


def _joined(texts: list[str]) -> str:
    """Several complaints about one value in one sentence."""
    distinct = list(dict.fromkeys(texts))
    head = distinct[0].partition("; ")[0]
    if len(distinct) > 1 and all(text.partition("; ")[0] == head for text in distinct):
        tails = [text.partition("; ")[2].removeprefix("it should be ") for text in distinct]
        return f"{head}; it should be {' or '.join(tails)}"
    return "; ".join(distinct)


def _shown(value: Any) -> str:
    text = "nothing" if value is _ABSENT else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
