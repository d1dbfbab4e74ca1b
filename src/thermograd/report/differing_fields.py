"""In which fields the experiments of several runs differ, and what to call the runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from thermograd.store.printable import excerpt
from thermograd.store.run import Run

_LONGEST = 32
Fields = dict[str, tuple[Any, ...]]


def differing_fields(runs: Sequence[Run]) -> Fields:
    """Dotted path of every field in which the experiments differ -> its value in each run, None where it is absent.

    Args:
        runs: from disk; what a run in memory is of is not recorded, so it has no field at all.

    Returns:
        In the order of the first run that has the field; empty if all runs are of one experiment.
    """
    flat = [_flat(run.manifest.get("experiment") or {}) for run in runs]
    paths = dict.fromkeys(path for fields in flat for path in fields)
    columns = {path: tuple(fields.get(path) for fields in flat) for path in paths}
    return {path: column for path, column in columns.items() if len(set(map(value_text, column))) > 1}


def value_text(value: Any) -> str:
    """A value of a field as it stands in a cell.

    >>> value_text(0.1), value_text("sgd"), value_text([16, 8]), value_text(None)
    ('0.1', 'sgd', '[16, 8]', '–')
    """
    if value is None:
        return "–"
    return excerpt(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 60)


def labels(runs: Sequence[Run], fields: Fields) -> list[str]:
    """Short names that tell the runs apart: their names, else the one field in which they differ, else their folders."""
    named = [run.name or (run.path.name if run.path else "run") for run in runs]
    candidates = [named]
    if len(fields) == 1:
        ((path, column),) = fields.items()
        candidates.append([f"{path.rsplit('.', 1)[-1]} = {value_text(value)}" for value in column])
    candidates.append([run.path.name if run.path else "" for run in runs])
    candidates.append(["/".join(run.path.parts[-2:]) if run.path else "" for run in runs])
    for names in candidates:
        if len(set(names)) == len(names) and all(names) and max(map(len, names)) <= _LONGEST:
            return [excerpt(name) for name in names]
    short = [excerpt(name, _LONGEST - 6) for name in named]
    return [
        name if short.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(short, start=1)
    ]


def swept(fields: Fields) -> tuple[str, list[float]] | None:
    """The one field in which the runs differ, if it is a number and different in each."""
    if len(fields) != 1:
        return None
    ((path, column),) = fields.items()
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in column):
        return None
    return (path, [float(value) for value in column]) if len(set(column)) == len(column) else None


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        parts = [(str(key), entry) for key, entry in value.items()]
    elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
        # by name, so that one observable more shifts none of the others
        parts = [(str(entry.get("name", place)), entry) for place, entry in enumerate(value)]
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for key, entry in parts:
        found |= _flat(entry, f"{path}.{key}" if path else key)
    return found
