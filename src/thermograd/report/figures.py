"""Finds the figure functions of this folder; serves `.plot()` of everything that flows."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

from thermograd.errors import ConfigError, MissingExtraError
from thermograd.report.figure import Figure, escaped

Figures = tuple[Figure, ...]


@cache
def available() -> dict[str, Callable[..., Figures]]:
    """The figure functions by `stem.name`.

    A figure function is a public function of a file of this folder that is annotated to return `Figure`
    or `tuple[Figure, ...]`; its first parameter says what it draws. Nothing is registered.

    >>> "ensemble.spread" in available()
    True
    """
    found: dict[str, Callable[..., Figures]] = {}
    root = importlib.import_module("thermograd.report")
    for file in pkgutil.iter_modules(root.__path__):
        if file.name in {"figure", "figures"}:
            continue
        module = importlib.import_module(f"{root.__name__}.{file.name}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                returned = typing.get_type_hints(function).get("return")
                if returned in {Figure, Figures}:
                    found[f"{file.name}.{name}"] = function
    return found


def figures_of(thing: Any, **options: Any) -> Figures:
    """All figures that can be drawn from one object and nothing else.

    Args:
        thing: a `Run`, `Estimate`, `Prediction`, `Verdict`, `Advice`, first-passage times, ...
        **options: arguments for those figure functions that take them.

    Returns:
        The figures, possibly none.

    >>> import numpy as np
    >>> from thermograd.estimators.first_passage import first_passage_times
    >>> passages = first_passage_times(np.array([[0.1, 0.9, 0.9], [0.1, 0.2, 0.3]]), target=0.5)
    >>> [(drawn.stem, drawn.name) for drawn in figures_of(passages)]
    [('first_passage', 'survival')]
    """
    drawn: list[Figure] = []
    for function in available().values():
        if _draws(function, thing):
            known = inspect.signature(function).parameters
            result: Any = function(thing, **{key: options[key] for key in known if key in options})
            drawn += [result] if isinstance(result, Figure) else result
    return tuple(drawn)


def figure(quantity: Any, name: str | None = None) -> Any:
    """The figure of one quantity as plotly object, for notebooks.

    Args:
        quantity: what to draw; one of the types that a figure function takes.
        name: which of its figures, for a run the name of an observable; the first if None.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ConfigError: nothing can be drawn from it, or no figure has that name.
        MissingExtraError: plotly is not installed.

    >>> import numpy as np
    >>> from thermograd.estimators.first_passage import first_passage_times
    >>> passages = first_passage_times(np.array([[0.1, 0.9, 0.9], [0.1, 0.2, 0.3]]), target=0.5)
    >>> drawn = figure(passages)  # as passages.plot() gives it
    >>> type(drawn).__name__, drawn.layout.xaxis.title.text
    ('Figure', 'time (epochs completed)')
    """
    drawn = figures_of(quantity)
    names = [entry.name for entry in drawn]
    chosen = (
        drawn[0] if drawn and name is None else next((entry for entry in drawn if entry.name == name), None)
    )
    if chosen is None:
        wanted = "a figure" if name is None else f"the figure {name!r}"
        message = f"{wanted} cannot be drawn from this {type(quantity).__name__}; it has: {', '.join(names) or 'none'}"
        raise ConfigError(message)
    try:
        graph_objects = importlib.import_module("plotly.graph_objects")
    except ImportError as cause:
        raise MissingExtraError(package="plotly", extra="lab", purpose="A figure") from cause
    title = {"text": f"{escaped(chosen.title)}<br><sup>{escaped(chosen.conclusion)}</sup>"}
    margin = {**chosen.layout["margin"], "t": 80}
    return graph_objects.Figure(
        data=list(chosen.traces),
        layout={**chosen.layout, "title": title, "margin": margin, "template": "simple_white"},
    )


def _draws(function: Callable[..., Figures], thing: Any) -> bool:
    first, *others = inspect.signature(function).parameters.values()
    kind = typing.get_type_hints(function)[first.name]
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    kinds = tuple(entry for entry in kinds if isinstance(entry, type))
    return isinstance(thing, kinds) and all(other.default is not other.empty for other in others)
