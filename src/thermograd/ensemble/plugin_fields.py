"""The kinds a config may name, and the types of their fields, read off the dataclasses themselves."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import importlib
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any

from thermograd.discover import available, snake_case
from thermograd.numerics import log_times
from thermograd.protocols import Times

ROLES = {
    "problem": "problems",
    "minibatching": "minibatching",
    "dynamics": "dynamics",
    "perturbation": "perturbations",
    "observe": "observables",
}
"""Field of an experiment, and the package its plug-ins are in."""


def kinds(role: str) -> dict[str, type]:
    """The plug-ins of a field of an experiment that a text can name, by kind.

    >>> sorted(kinds("dynamics"))
    ['adam', 'earthquake', 'sgd', 'sgld', 'sgworld']
    """
    return {
        kind: plugin for kind, plugin in available(f"thermograd.{ROLES[role]}").items() if _buildable(plugin)
    }


def times_kinds(*, recording: bool) -> dict[str, type]:
    """The `Times` a text can name; those for recording, or those for perturbing.

    >>> sorted(set(times_kinds(recording=False)) - set(times_kinds(recording=True)))
    ['random']
    """
    verb = "resolve" if recording else "kicks"
    return {
        snake_case(name): value
        for name, value in vars(log_times).items()
        if dataclasses.is_dataclass(value)
        and isinstance(value, type)
        and callable(getattr(value, verb, None))
    }


def kind_of(plugin: type) -> str | None:
    """How a text names a class: its kind, `module:name` if it can be imported, or None."""
    kind = snake_case(plugin.__name__)
    for known in (
        *(kinds(role) for role in ROLES),
        times_kinds(recording=True),
        times_kinds(recording=False),
    ):
        if known.get(kind) is plugin:
            return kind
    return importable(plugin)


def importable(thing: Any) -> str | None:
    """`module:name` of a class or function that another process can import, None otherwise.

    >>> importable(dataclasses.replace), importable(lambda: 0)
    ('dataclasses:replace', None)
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if module in {None, "__main__"} or "<" in name or "." in name:
        return None
    return f"{module}:{name}" if getattr(sys.modules.get(module), name, None) is thing else None


def imported(kind: str) -> Any:
    """The object of `module:name`.

    Raises:
        ValueError: there is none; says why.
    """
    module, _, name = kind.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # the module is somebody else's, and raises what it likes
        said = (
            str(error)
            if isinstance(error, ImportError | AttributeError)
            else f"{type(error).__name__}: {error}"
        )
        message = f"{kind!r} cannot be imported ({said})"
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            message += (
                "; if it is a file of yours, name its folder in PYTHONPATH, as PYTHONPATH=. for this one"
            )
        raise ValueError(message) from error


def field_types(plugin: type) -> dict[str, Any]:
    """Type of each field of a dataclass; `Any` where its annotation names something only type checkers see.

    >>> field_types(log_times.Every)
    {'steps': <class 'int'>}
    """
    names = {**vars(builtins), **vars(typing), **vars(collections.abc), **vars(types), "Times": Times}
    names |= vars(sys.modules[plugin.__module__])
    return {entry.name: _evaluated(entry.type, names) for entry in dataclasses.fields(plugin) if entry.init}


def default_of(entry: dataclasses.Field[Any]) -> Any:
    """Default of a dataclass field, `dataclasses.MISSING` if it has none."""
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return entry.default


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    members = []
    for part in _members(annotation):
        try:
            members.append(eval(part, names))  # annotations of installed code, never of a config
        except (NameError, TypeError, AttributeError):
            members.append(Any)
    return union_of(members)


def union_of(members: Iterable[Any]) -> Any:
    """One type for any of several; a single member is itself.

    >>> union_of([int, str]) == int | str, union_of([int])
    (True, <class 'int'>)
    """
    return typing.Union[tuple(members)]  # ruff: ignore[non-pep604-annotation-union] - `|` cannot join a list


def _members(annotation: str) -> list[str]:
    """The members of `a | b[c | d]`, split outside brackets."""
    parts, depth = [""], 0
    for character in annotation:
        depth += (character in "[(") - (character in "])")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _buildable(plugin: type) -> bool:
    try:
        plugin()
    except (TypeError, ValueError):
        return False
    return True
