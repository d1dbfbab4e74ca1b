"""Which estimates can be asked of a log, a run or a file of draws: by signature, no list is kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import thermograd.estimators
from thermograd.cli.recipes import Recipe, asked_for, doors, files, functions, recipe_of
from thermograd.estimators.aging import DisplacementTable, table
from thermograd.store.run import Run


def displacements(
    recorded: DisplacementTable | Run, name: str = "two_time_displacement"
) -> DisplacementTable:
    """The table of displacements of a run, or of a file that holds one.

    Args:
        recorded: a table, or a run that recorded one.
        name: of the record of a run.

    Returns:
        The table.

    Raises:
        ConfigError: the run recorded none of that name.
    """
    return recorded if isinstance(recorded, DisplacementTable) else table(recorded, name)


def known_estimates() -> dict[str, Recipe]:
    """All estimates that words and recorded files suffice for, by `stem.function`.

    Where several stems export one function, the first one has it.

    >>> known_estimates()["first_passage.restricted_mean"].needed()
    ('target',)
    """
    return {name: recipe for name, recipe in _all().items() if isinstance(recipe, Recipe)}


def python_only() -> dict[str, str]:
    """The other public estimators, and the argument that no word can give.

    >>> python_only()["first_passage.plateau_test"]
    'residuals: Mapping[int, Estimate]'
    """
    return {name: needs for name, needs in _all().items() if isinstance(needs, str)}


def estimate_named(name: str) -> Recipe:
    """The estimate `stem.function`.

    Args:
        name: what was asked for.

    Returns:
        How it is made.

    Raises:
        ConfigError: there is none of that name, or it needs what no word can say.
    """
    stem, _, wanted = name.partition(".")
    module = dict(files(thermograd.estimators)).get(stem)
    public = {entry for door in doors(thermograd.estimators).values() for entry in functions(door)}
    own = functions(module) if module else []
    function = next((entry for entry in own if entry.__name__ == wanted and entry in public), None)
    recipe = None if module is None or function is None else _recipe(stem, module, function)
    file = f"{name} is a file, not an estimate: quote a pattern, and name one source."
    return asked_for(
        name,
        recipe,
        known_estimates(),
        "estimate",
        home="thermograd.estimators",
        needs="no word and no file",
        other=file if recipe is None and Path(name).exists() else "",
    )


def _all() -> dict[str, Recipe | str]:
    found: dict[str, Recipe | str] = {}
    seen: set[Callable[..., Any]] = set()
    for stem, module in doors(thermograd.estimators).items():
        for function in functions(module):
            recipe = _recipe(stem, module, function)
            records = isinstance(recipe, Recipe) and "run" in recipe.recorded.values()
            if function not in seen and not records:  # a record itself is no estimate
                seen.add(function)
                found[f"{stem}.{function.__name__}"] = recipe
    return dict(sorted(found.items()))


def _recipe(stem: str, module: Any, function: Callable[..., Any]) -> Recipe | str:
    makers = {} if function is displacements else {"DisplacementTable": displacements}
    return recipe_of(stem, module, function, _recorded, makers)


def _recorded(function: Callable[..., Any]) -> Mapping[str, str]:
    """The arguments that a source gives, by what they are called, and which part of it each is."""
    names = inspect.signature(function).parameters
    if "values" in names:
        return {"values": "log.values", "times": "log.times", "unit": "log.unit"}
    if {"steps", "loss"} <= set(names):
        return {"steps": "loss.steps", "loss": "loss.values"}
    if "trajectories" in names:
        return {"trajectories": "weights.trajectories"}
    if {"positions", "times"} <= set(names):
        return {"positions": "weights.trajectories", "times": "weights.steps"}
    if function is displacements:
        return {"recorded": "displacements"}
    if "virial" in names:
        return {
            "virial": "draws.virial",
            "dimension": "draws.size",
            "temperature": "draws.temperature",
            "weights": "draws.measured_weights",
        }
    if "draws" in names and names["draws"].annotation != "int":
        whole = "PosteriorDraws" in str(names["draws"].annotation)
        return {"draws": "draws.all" if whole else "draws.used"}
    return {"run": "run"}
