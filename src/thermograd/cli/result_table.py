"""A result as columns for CSV, and as plain Python for JSON."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from thermograd.quantities import Estimate, Prediction, Verdict

_RESAMPLES = frozenset({"samples", "resampled"})


def as_columns(result: Any, *, index: str = "index") -> dict[str, list[Any]]:
    """The result as columns of equal length.

    A curve has its index, value, low and high; a number one row; an object the curves it holds.

    Args:
        result: what an estimator or a theory returned.
        index: what the index of a curve is.

    Returns:
        Columns by name, at least one.

    >>> as_columns(Estimate(np.array([1.0, 0.5]), (np.array([0.9, 0.4]), np.array([1.0, 0.6]))))
    {'index': [0, 1], 'value': [1.0, 0.5], 'low': [0.9, 0.4], 'high': [1.0, 0.6]}
    >>> as_columns(Prediction(np.array([7.0, 8.0]), at=np.array([10, 20]), valid=np.array([True, False])))
    {'at': [10, 20], 'value': [7.0, 8.0], 'valid': [True, False]}
    """
    if isinstance(result, Verdict):
        return {name: [getattr(result, name)] for name in ("holds", "kind", "text")}
    if (
        isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Estimate)
    ):  # a curve over points
        return {"at": np.asarray(result[0]).tolist(), **_values(result[1], index, placed=True)}
    if isinstance(result, np.ndarray | Estimate) or (
        isinstance(result, Prediction) and _is_array(result.value)
    ):
        return _values(result, index, placed=False)
    return _curves(_parts(result)) or {"value": [str(result)]}


def as_object(result: Any) -> dict[str, Any]:
    """The result as plain Python, for JSON.

    >>> as_object(Estimate(2.0, (1.0, 3.0), pieces=8))["interval"]
    [1.0, 3.0]
    """
    if isinstance(result, Mapping):
        return {str(name): _plain(value) for name, value in result.items()}
    return {name: _plain(value) for name, value in _parts(result).items()}


def csv_text(columns: Mapping[str, Sequence[Any]]) -> str:
    r"""Columns of equal length as CSV.

    >>> csv_text({"at": [1, 2], "value": [0.5, 0.25]})
    'at,value\n1,0.5\n2,0.25\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def rows_of(columns: Mapping[str, Sequence[Any]]) -> int:
    """How many rows a table has."""
    return len(next(iter(columns.values())))


def _values(result: Any, index: str, *, placed: bool) -> dict[str, list[Any]]:
    """Index or points, value and interval of a curve or matrix, row by row; of a number one row."""
    curve = np.asarray(getattr(result, "value", result))
    columns: dict[str, list[Any]] = {}
    at, valid = getattr(result, "at", None), getattr(result, "valid", None)
    if at is not None and np.shape(at) == curve.shape:
        columns["at"] = np.asarray(at).ravel().tolist()
    elif not placed:
        places = [index] if curve.ndim == 1 else [f"{index}_{axis}" for axis in range(curve.ndim)]
        columns = {
            name: place.ravel().tolist() for name, place in zip(places, np.indices(curve.shape), strict=True)
        }
    columns["value"] = curve.ravel().tolist()
    if getattr(result, "interval", None) is not None:
        for name, end in zip(("low", "high"), result.interval, strict=True):
            columns[name] = np.broadcast_to(end, curve.shape).ravel().tolist()
    if valid is not None and np.shape(valid) == curve.shape:
        columns["valid"] = np.asarray(valid).ravel().tolist()
    return columns


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int)


def _parts(result: Any) -> dict[str, Any]:
    """Fields and cached properties of an object; resamples are left out."""
    if not dataclasses.is_dataclass(result):
        return {"value": result}
    names = [entry.name for entry in dataclasses.fields(result)]
    names += [
        name for name, _ in inspect.getmembers(type(result), lambda entry: isinstance(entry, cached_property))
    ]
    return {name: getattr(result, name) for name in names if name not in _RESAMPLES}


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
