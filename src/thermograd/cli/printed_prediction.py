"""One prediction of theory: its arguments from words and from a run, and the answer where it is wanted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.cli import terminal
from thermograd.cli.known_of_run import known_of_run
from thermograd.cli.option_words import option_name
from thermograd.cli.predictions import prediction_named
from thermograd.cli.recipes import Recipe
from thermograd.cli.result_table import as_columns, as_object, csv_text, rows_of
from thermograd.quantities import Prediction, Verdict
from thermograd.theory.mean_field import MeanField
from thermograd.theory.stationary_state import StationaryState

_CURVES = ("overlap", "norm_squared", "train_loss", "train_error", "generalization_error")


def print_prediction(name: str, words: Sequence[str], run: Path | None, *, as_json: bool) -> None:
    """What `thermograd predict` does.

    Args:
        name: `stem.function` in `thermograd.theory`.
        words: its options, as typed.
        run: a run directory that gives what is not among the words.
        as_json: print one JSON object.

    Raises:
        ConfigError: the name, the run or an option cannot be used.
    """
    recipe = prediction_named(name)
    given = recipe.parsed(words)
    if run is not None:
        given = {**_of_the_run(recipe, run, given), **given}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = recipe.make(given)
    for warning in caught:
        terminal.say(str(warning.message))
    if as_json:
        terminal.result_json({"prediction": name, **_object(result)})
        return
    _print(result)


def _of_the_run(recipe: Recipe, run: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the run says of options that were not given, said on stderr."""
    known = known_of_run(run, recipe.name)
    options = recipe.options()
    taken = {name: value for name, value in known.items() if name in options and name not in given}
    said = ", ".join(f"{option_name(name)} {value}" for name, value in taken.items())
    terminal.say(f"from {run}: {said or 'nothing that this prediction asks for and the words do not say'}")
    for name in ("momentum", "dampening"):
        if known.get(name) and name not in options:
            terminal.say(f"{run} has {name} {known[name]:g}, which {recipe.name} does not know of")
    return taken


def _object(result: Any) -> dict[str, Any]:
    if isinstance(result, MeanField):
        return {name: as_object(result.prediction(name)) for name in _CURVES} | {"rests_on": result.rests_on}
    return as_object(result)


def _print(result: Any) -> None:
    """A curve or a matrix as CSV with its one-line form on stderr, anything else in words."""
    if isinstance(result, MeanField):
        terminal.say(repr(result))
        terminal.result(csv_text(_columns_of(result)).rstrip("\n"))
    elif isinstance(result, StationaryState | Verdict):
        terminal.result(str(result))
    elif isinstance(result, Mapping):
        for name, value in result.items():
            terminal.result(f"{name}: {_briefly(value)}")
        for basis in dict.fromkeys(getattr(value, "rests_on", "") for value in result.values()):
            terminal.say(f"rests on {basis}")
    elif rows_of(table := as_columns(result)) > 1:
        terminal.say(str(result) + _where_valid(result))
        terminal.result(csv_text(table).rstrip("\n"))
    else:
        terminal.result(_briefly(result, with_basis=True))


def _columns_of(solution: MeanField) -> dict[str, list[Any]]:
    """The curves of a solution side by side, each with its band; of a step that a curve does not have, NaN."""
    columns: dict[str, list[Any]] = {"step": list(range(solution.steps + 1))}
    for name in _CURVES:
        found = solution.prediction(name)
        assert found.interval is not None  # a mean over solutions has one
        for title, curve in (
            (name, found.value),
            (f"{name}_low", found.interval[0]),
            (f"{name}_high", found.interval[1]),
        ):
            filled = np.full(solution.steps + 1, np.nan)
            filled[: curve.size] = curve
            columns[title] = filled.tolist()
    return columns


def _where_valid(result: Any) -> str:
    valid = getattr(result, "valid", None)
    if valid is None or np.all(valid):
        return ""
    return f"; the assumptions hold at {int(np.sum(valid))} of {np.size(valid)} points, see the column valid"


def _briefly(result: Any, *, with_basis: bool = False) -> str:
    """The value in full if it is short; arrays as JSON-like lists."""
    value = getattr(result, "value", result)
    if isinstance(result, Prediction) and not with_basis and isinstance(value, np.ndarray):
        return np.array2string(value, precision=6, separator=", ", threshold=12)
    if isinstance(result, Prediction) and not with_basis:
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{result:.6g}" if isinstance(result, float) else str(result)
