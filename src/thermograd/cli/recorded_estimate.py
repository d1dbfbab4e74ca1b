"""One estimate on a recorded log: read it, ask, and write the answer where it is wanted."""

from __future__ import annotations

import csv as csv_format
import dataclasses
import inspect
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.cli import terminal
from thermograd.cli.estimates import Recipe, estimate_named
from thermograd.cli.recorded_log import LogOptions, check_outputs
from thermograd.errors import CensoredError, NothingCommittedError
from thermograd.quantities import Estimate, Verdict
from thermograd.store.atomic_file import write_atomically


def estimate_on_log(
    source: str,
    name: str,
    words: Sequence[str],
    options: LogOptions,
    *,
    as_json: bool,
    csv: Path | None,
) -> None:
    """What `thermograd estimate` does.

    Args:
        source: the recorded runs.
        name: `stem.function` in `thermograd.estimators`.
        words: its options, as typed.
        options: how the source is read.
        as_json: print one JSON object.
        csv: a file for the number or curve.

    Raises:
        ConfigError: the source, the name or an option cannot be used.
        CensoredError: the mean is not defined by these runs; what is has been printed.
    """
    check_outputs([] if csv is None else [csv], [source])
    recipe = estimate_named(name)
    given = recipe.parsed(words)
    if (
        options.scale is not None and "scale" in recipe.options()
    ):  # the word belongs to the estimate, not to a log
        given, options = {**given, "scale": options.scale}, dataclasses.replace(options, scale=None)
    try:
        result = _estimated(source, options, recipe, given)
    except CensoredError as error:
        _show_partial(recipe.name, error, as_json=as_json)
        raise
    table = as_columns(result, index="time" if "passages" in recipe.made else "index")
    if csv is not None:
        write_atomically(csv, _csv_text(table).encode())
    if as_json:
        terminal.result_json({"estimate": recipe.name, "source": source, **as_object(result)})
    elif csv is not None:
        terminal.result(f"{result}\n{csv}")
    elif len(next(iter(table.values()))) > 1:
        terminal.say(str(result))
        terminal.result(_csv_text(table).rstrip("\n"))
    else:
        terminal.result(str(result))


def _estimated(source: str, options: LogOptions, recipe: Recipe, given: Mapping[str, Any]) -> Any:
    try:
        if recipe.of_a_run:
            weights = options.read_weights(source, given.get("since", 0))
            said, notes = (weights.described() if recipe.of_weights else str(weights)), weights.notes
        else:
            log = options.read(source)
            said, notes = str(log), log.notes
    except NothingCommittedError as error:
        return Verdict(None, "nothing_committed", f"{error}, so there is nothing to estimate from yet.")
    for line in (f"{source}: {said}", *notes):
        terminal.say(line)
    return recipe.make(weights if recipe.of_a_run else log, given)


def as_columns(result: Any, *, index: str = "index") -> dict[str, list[Any]]:
    """The result as columns of equal length.

    A curve has its index, value, low and high; a number one row; an object the curves it holds.

    Args:
        result: what an estimator returned.
        index: what the index of a curve is.

    Returns:
        Columns by name, at least one.

    >>> as_columns(Estimate(np.array([1.0, 0.5]), (np.array([0.9, 0.4]), np.array([1.0, 0.6]))))
    {'index': [0, 1], 'value': [1.0, 0.5], 'low': [0.9, 0.4], 'high': [1.0, 0.6]}
    """
    if isinstance(result, Estimate):
        curve = np.asarray(result.value)
        places = [index] if curve.ndim == 1 else [f"{index}_{axis}" for axis in range(curve.ndim)]
        columns = {
            name: place.ravel().tolist() for name, place in zip(places, np.indices(curve.shape), strict=True)
        }
        for name in ("value", "low", "high"):
            columns[name] = np.broadcast_to(getattr(result, name), curve.shape).ravel().tolist()
        return columns
    if isinstance(result, Verdict):
        return {name: [getattr(result, name)] for name in ("holds", "kind", "text")}
    return _curves(_parts(result)) or {"value": [str(result)]}


def as_object(result: Any) -> dict[str, Any]:
    """The result as plain Python, for JSON.

    >>> as_object(Estimate(2.0, (1.0, 3.0), pieces=8))["interval"]
    [1.0, 3.0]
    """
    if isinstance(result, Mapping):
        return {str(name): _plain(value) for name, value in result.items()}
    return {name: _plain(value) for name, value in _parts(result).items()}


def _parts(result: Any) -> dict[str, Any]:
    """Fields and cached properties of an object; resamples are left out."""
    if not dataclasses.is_dataclass(result):
        return {"value": result}
    names = [entry.name for entry in dataclasses.fields(result)]
    names += [
        name for name, _ in inspect.getmembers(type(result), lambda entry: isinstance(entry, cached_property))
    ]
    return {name: getattr(result, name) for name in names if name not in {"samples", "resampled"}}


def _curves(parts: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Those that are as long as the first one."""
    columns: dict[str, list[Any]] = {}
    for name, value in parts.items():
        found = {name: value}
        if isinstance(value, Estimate):
            found = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        for title, curve in found.items():
            length = len(next(iter(columns.values()))) if columns else None
            if isinstance(curve, np.ndarray) and curve.ndim == 1 and length in {None, curve.size}:
                columns[title] = curve.tolist()
    return columns


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return as_object(value) if isinstance(value, Mapping) or dataclasses.is_dataclass(value) else value


def _csv_text(columns: Mapping[str, Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _show_partial(name: str, error: CensoredError, *, as_json: bool) -> None:
    if as_json:
        terminal.result_json({"estimate": name, "error": str(error), "partial": as_object(error.partial)})
        return
    for part, value in error.partial.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        terminal.result(f"{part.replace('_', ' ')}: {shown}")
