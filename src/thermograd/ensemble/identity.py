"""What makes two experiments the same: a canonical description, and its SHA-256."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thermograd.ensemble.plugin_fields import default_of, field_types, importable, kind_of

_DEEPEST = 12


@dataclass(frozen=True)
class Description:
    """An experiment in plain values.

    Attributes:
        content: field to value; plug-ins are tables with `kind`; defaults are written, None is left out.
        python_objects: dotted paths of what no text can name; those are fingerprinted.
        imports: `module:name` kinds in it.
    """

    content: dict[str, Any]
    python_objects: tuple[str, ...]
    imports: tuple[str, ...]

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(canonical_json(self.content).encode("ascii")).hexdigest()


def canonical_json(content: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces.

    >>> canonical_json({"b": 1.0, "a": [True]})
    '{"a":[true],"b":1.0}'
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def describe(experiment: Any) -> Description:
    """The canonical description of an experiment.

    What no text can name (a model factory, arrays of data) is replaced by its fingerprint: class or
    qualified name, SHA-256 of arrays, and for the whole the initial weights of trajectory 0.

    Args:
        experiment: a dataclass, such as an `Experiment`.

    Returns:
        Its description.
    """
    walk = _Walk()
    content = walk.fields(experiment, "", 0)
    objects = tuple(walk.python_objects)
    if objects and callable(getattr(experiment, "initial_weights", None)):
        weights = experiment.initial_weights([0])
        digest = hashlib.sha256()
        for name, value in weights.items():
            digest.update(f"{name}{_array(np.asarray(value))}".encode())
        content["initial_weights_sha256"] = digest.hexdigest()
    return Description(content, objects, tuple(walk.imports))


def differing(recorded: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> tuple[str, ...]:
    """Dotted paths in which two descriptions differ, with both values.

    >>> differing({"seed": 0, "dynamics": {"kind": "sgd"}}, {"seed": 1, "dynamics": {"kind": "sgd"}})
    ('seed: 0 in the run, 1 given',)
    """
    found: list[str] = []
    for key in sorted(set(recorded) | set(given)):
        one, other = recorded.get(key), given.get(key)
        where = f"{path}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping) and one.get("kind") == other.get("kind"):
            found += differing(one, other, f"{where}.")
        elif one != other:
            found.append(f"{where}: {_brief(one)} in the run, {_brief(other)} given")
    return tuple(found)


class _Walk:
    def __init__(self) -> None:
        self.python_objects: list[str] = []
        self.imports: list[str] = []

    def fields(self, thing: Any, path: str, depth: int) -> dict[str, Any]:
        types = field_types(type(thing))
        content = {}
        for entry in dataclasses.fields(thing):
            if not entry.init:
                continue
            value = getattr(thing, entry.name)
            where = f"{path}.{entry.name}" if path else entry.name
            if value is None:
                default = default_of(entry)
                if default is not None and default is not dataclasses.MISSING:
                    content[entry.name] = "none"
                continue
            content[entry.name] = self.value(value, where, types[entry.name], depth + 1)
        return content

    def value(self, value: Any, path: str, kind: Any, depth: int) -> Any:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if isinstance(value, str):
            return value
        if isinstance(value, int | np.integer):
            return float(value) if _wants_float(kind) else int(value)
        if isinstance(value, float | np.floating):
            return _number(float(value))
        if isinstance(value, PurePath):
            return str(value)
        if depth > _DEEPEST:
            return self._opaque(value, path)
        if isinstance(value, np.ndarray | Tensor):
            return {**self._opaque(value, path), "array": _array(_numpy(value))}
        if isinstance(value, tuple | list):
            inner = _inner(kind)
            return [
                self.value(entry, f"{path}.{place}", inner, depth + 1) for place, entry in enumerate(value)
            ]
        if isinstance(value, Mapping):
            return {str(key): self.value(value[key], f"{path}.{key}", Any, depth + 1) for key in value}
        return self._object(value, path, depth)

    def _object(self, value: Any, path: str, depth: int) -> dict[str, Any]:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            kind = kind_of(type(value))
            if kind is None:
                self.python_objects.append(path)
            elif ":" in kind:
                self.imports.append(kind)
            return {"kind": kind or _qualified(type(value)), **self.fields(value, path, depth)}
        named = importable(value) if callable(value) else None
        if named is not None and not isinstance(value, nn.Module):
            self.imports.append(named)
            return {"kind": named}
        return self._opaque(value, path)

    def _opaque(self, value: Any, path: str) -> dict[str, Any]:
        self.python_objects.append(path)
        if isinstance(value, nn.Module):
            return {"python": _qualified(type(value)), "repr": repr(value)}
        named = value if hasattr(value, "__qualname__") else type(value)
        return {"python": _qualified(named)}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def _wants_float(kind: Any) -> bool:
    members = typing.get_args(kind) or (kind,)
    return float in members and int not in members


def _inner(kind: Any) -> Any:
    for member in (kind, *typing.get_args(kind)):
        arguments = [entry for entry in typing.get_args(member) if entry is not Ellipsis]
        if (
            typing.get_origin(member) is not None
            and arguments
            and typing.get_origin(member) is not typing.Union
        ):
            return arguments[0]
    return Any


def _qualified(named: Any) -> str:
    return f"{getattr(named, '__module__', '')}:{getattr(named, '__qualname__', type(named).__name__)}"


def _numpy(value: Any) -> np.ndarray[Any, Any]:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value


def _array(value: np.ndarray[Any, Any]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return f"{value.dtype.str} {value.shape} sha256 {digest}"


def _brief(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
