"""One estimate on a recorded log: read it, ask, and write the answer where it is wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thermograd.cli import terminal
from thermograd.cli.estimates import estimate_named
from thermograd.cli.recipes import Recipe
from thermograd.cli.recorded_log import LogOptions, check_outputs
from thermograd.cli.recorded_source import RecordedSource
from thermograd.cli.result_table import as_columns, as_object, csv_text, rows_of
from thermograd.errors import CensoredError, NothingCommittedError
from thermograd.quantities import Verdict
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
        write_atomically(csv, csv_text(table).encode())
    if as_json:
        terminal.result_json({"estimate": recipe.name, "source": source, **as_object(result)})
    elif csv is not None:
        terminal.result(f"{result}\n{csv}")
    elif rows_of(table) > 1:
        terminal.say(str(result))
        terminal.result(csv_text(table).rstrip("\n"))
    else:
        terminal.result(str(result))


def _estimated(source: str, options: LogOptions, recipe: Recipe, given: Mapping[str, Any]) -> Any:
    recorded = RecordedSource(source, options, given.get("since", 0))
    try:
        return recipe.make(given, recorded)
    except NothingCommittedError as error:
        return Verdict(None, "nothing_committed", f"{error}, so there is nothing to estimate from yet.")


def _show_partial(name: str, error: CensoredError, *, as_json: bool) -> None:
    if as_json:
        terminal.result_json({"estimate": name, "error": str(error), "partial": as_object(error.partial)})
        return
    for part, value in error.partial.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        terminal.result(f"{part.replace('_', ' ')}: {shown}")
