"""A csv file of recorded runs, whichever of the known layouts it has."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from thermograd.counted import counted
from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.store.csv_rows import CsvRows, number, parsed, read_rows, whole
from thermograd.store.epochs_beside_steps import epochs_beside_steps
from thermograd.store.log_columns import run_column, time_column, value_column, value_columns
from thermograd.store.log_table import LogTable
from thermograd.store.printable import excerpt, printable
from thermograd.store.tensorboard_export import is_tensorboard, tensorboard_run
from thermograd.store.wandb_export import is_wandb, wandb_runs

_METRIC_WORDS = ({"loss", "nll"}, {"acc", "accuracy", "top1", "f1", "auc"}, {"lr", "rate"})


def read_csv_log(file: Path, metric: str | None) -> LogTable:
    """The runs of one csv file.

    Args:
        file: the file.
        metric: which value, where there are several.

    Returns:
        The entries in the order in which they were logged.

    Raises:
        ConfigError: it is no such file, or a column has to be named.
    """
    rows = read_rows(file)
    table = _table(rows, metric)
    return replace(table, notes=(*table.notes, *_said_nan(rows, table)))


def _table(rows: CsvRows, metric: str | None) -> LogTable:
    file = rows.file
    if is_tensorboard(rows):
        return tensorboard_run(rows, file.stem, metric)
    if is_wandb(rows):
        return wandb_runs(rows, metric)
    run, time = run_column(rows.header), time_column(rows.header)
    if run is not None and time is not None:
        return _long(rows, run, *time, metric)
    if metric is None:
        return _wide(rows, time)
    if metric in rows.header:
        return one_run(rows, file.stem, metric)
    columns = nearest(metric, {rows.header[place] for place in value_columns(rows.header)})
    message = (
        f"{file} has one column a run (no columns run and step), and no metric {metric!r}. {excerpt(columns)}"
    )
    raise ConfigError(message)


def _said_nan(rows: CsvRows, table: LogTable) -> tuple[str, ...]:
    """That there are cells that say nan, which is not the same as blank if training has diverged."""
    said = (
        sum(cell.strip().lower() == "nan" for row in rows.rows for cell in row)
        if np.isnan(table.value).any()
        else 0
    )
    if not said:
        return ()
    return (
        f"{rows.file}: {counted(said, 'nan')} among the cells, taken as not evaluated; if training had diverged there, write inf",
    )


def one_run(rows: CsvRows, name: str, metric: str | None) -> LogTable:
    """One run, a column of which is the metric.

    Args:
        rows: the file.
        name: what to call the run.
        metric: the column; default `value`, else the only one that is not a time.

    Returns:
        Its entries; without a column step or epoch the rows are epochs 1, 2, ....

    Raises:
        ConfigError: no such column, or several could be meant.
    """
    value = value_column(rows.file, rows.header, metric)
    found = time_column(rows.header)
    if found is None:
        counted = enumerate(rows.columns(value), start=1)
        label = printable(rows.header[value])
        return LogTable.of(
            ((name, at, number(cell, f"{place}, {label}")) for at, (place, (cell,)) in counted),
            "epoch",
            timed=False,
        )
    time, unit = found
    label = printable(rows.header[value])
    entries = [
        (name, whole(at, place), number(cell, f"{place}, {label}"))
        for place, (at, cell) in rows.columns(time, value)
    ]
    return replace(LogTable.of(entries, unit), notes=epochs_beside_steps(rows, value))


def _long(rows: CsvRows, run: int, time: int, unit: str, metric: str | None) -> LogTable:
    value = value_column(rows.file, rows.header, metric)
    return LogTable.of(
        (
            (name.strip(), whole(at, place), number(cell, place))
            for place, (name, at, cell) in rows.columns(run, time, value)
        ),
        unit,
    )


def _check_not_a_time(file: Path, name: str, cells: list[str]) -> None:
    """Refuse a first column that rises from row to row in every row: it counts or is a clock, and is no run."""
    values = [parsed(cell) for cell in cells]
    if len(values) < 5 or any(value is None or value != value for value in values):
        return
    whole = [value for value in values if value is not None]
    steps = {round(after - before, 9) for before, after in pairwise(whole)}
    clock = "time" in name.lower() and min(steps) > 0
    if clock or (len(steps) == 1 and steps.pop() > 0):
        message = (
            f"{file}: the first column, {printable(name)}, rises evenly or is a time, so it does not look like a run; "
            "call it step or epoch if it counts them, else leave it out"
        )
        raise ConfigError(message)


def _wide(rows: CsvRows, time: tuple[int, str] | None) -> LogTable:
    file, header = rows.file, rows.header
    named = any(parsed(cell) is None for cell in header)
    if time is not None and time[0] != 0:
        message = (
            f"{file}: the column {header[time[0]]} is not the first one, so the others are taken for the metrics of one run. "
            f"Choose one with metric= (--metric): {excerpt(', '.join(header[value] for value in value_columns(header)))}. "
            f"If every other column is a run, put {header[time[0]]} first"
        )
        raise ConfigError(message)
    names = list(header if time is None else header[1:])
    if not named:
        names = [f"column {place + 1}" for place in range(len(header))]
    body = rows.rows if named else (header, *rows.rows)
    lines = rows.lines if named else (rows.first_line, *rows.lines)
    _check_names(file, names)
    if not body or not names:
        message = (
            f"{file} has no values: one row a step or epoch is needed below the header, one column a run"
        )
        raise ConfigError(message)
    if time is None:
        _check_not_a_time(file, names[0], [row[0] for row in body if row])
    entries: list[tuple[str, int, float]] = []
    for at, (line, row) in enumerate(zip(lines, body, strict=True), start=1):
        place = f"{file} line {line}"
        if len(row) != len(header):
            message = (
                f"{place}: {len(row)} cells, but the header has {len(header)}; was it cut off, or written by two runs? "
                "Mend the line; a value that is not there is an empty cell"
            )
            raise ConfigError(message)
        cells = row if time is None else row[1:]
        when = at if time is None else whole(row[0], place)
        entries += [
            (name, when, number(cell, f"{place}, {printable(name)}"))
            for name, cell in zip(names, cells, strict=True)
        ]
    return LogTable.of(entries, "epoch" if time is None else time[1], timed=time is not None)


def _check_names(file: Path, names: list[str]) -> None:
    """Refuse columns that cannot be one run each."""
    listed = excerpt(", ".join(names))
    if "" in names:
        message = (
            f"{file} has a column without a name: call the times step or epoch, and leave a row number out "
            "(index=False)"
        )
        raise ConfigError(message)
    if len(set(names)) != len(names):
        message = f"{file} has two columns of the same name: {listed}"
        raise ConfigError(message)
    kinds = [kind for kind in map(_kinds_of, names) if kind]
    if any(not kinds[0] & kind for kind in kinds) or len(value_columns(names)) < len(names):
        message = (
            f"{file}: these columns are not one run each, but look like the metrics of one run: {listed}. "
            "Choose one with metric= (--metric)"
        )
        raise ConfigError(message)


def _kinds_of(name: str) -> set[int]:
    """What a column seems to measure, by the words in its name."""
    words = set(re.split(r"[^a-z0-9.]+", name.lower()))
    return {place for place, kind in enumerate(_METRIC_WORDS) if words & kind}
