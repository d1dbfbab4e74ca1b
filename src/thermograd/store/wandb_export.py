"""A csv file as W&B exports it from a chart: `Step`, then `<run> - <metric>` with `__MIN` and `__MAX`."""

from __future__ import annotations

from collections.abc import Mapping

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.store.csv_rows import CsvRows, number, parsed, whole
from thermograd.store.log_columns import time_column
from thermograd.store.log_table import LogTable
from thermograd.store.printable import excerpt

_BETWEEN = " - "
_ENDS = ("__MIN", "__MAX")


def is_wandb(rows: CsvRows) -> bool:
    """Whether the columns are those of a chart export."""
    if any(name.upper().endswith(_ENDS) for name in rows.header):
        return True
    others = rows.header[1:]
    timed = time_column(rows.header[:1]) is not None
    return timed and bool(others) and all(_BETWEEN in name for name in others)


def wandb_runs(rows: CsvRows, metric: str | None) -> LogTable:
    """The runs of a chart export.

    Blank means not evaluated. `__MIN` and `__MAX` are read only to see whether the values are means: of the
    runs of a group, or of several steps that W&B put in one bin.

    Args:
        rows: the file.
        metric: which one, where the chart shows several. Run names may contain " - ".

    Returns:
        The entries, row by row.

    Raises:
        ConfigError: the first column is no step or epoch, no or several metrics are meant, or W&B gave two
            runs the same name.
    """
    file, header = rows.file, rows.header
    found = time_column(header[:1])
    if found is None:
        message = (
            f"{file} is a W&B export against {excerpt(header[0])!r}; export the chart with Step or epoch on "
            "its x axis"
        )
        raise ConfigError(message)
    columns = _columns(rows, metric)
    entries = []
    for place, (at, *cells) in rows.columns(0, *columns.values()):
        when = whole(at, place)
        entries += [(name, when, number(cell, place)) for name, cell in zip(columns, cells, strict=True)]
    table = LogTable.of(entries, found[1])
    binned = _means(rows, columns)
    if not binned:
        return table
    note = (
        f"{file}: {binned} values differ from their __MIN or __MAX, so they are means of several runs (a "
        "grouped chart) or of several steps (a binned one), and arrive at other times than single values: export "
        "ungrouped, with the sampling at full fidelity"
    )
    return LogTable(table.names, table.run, table.time, table.value, table.unit, notes=(note,))


def _columns(rows: CsvRows, metric: str | None) -> dict[str, int]:
    """The column of each run."""
    file = rows.file
    shown = {
        place: name
        for place, name in enumerate(rows.header)
        if place > 0 and _BETWEEN in name and not name.upper().endswith(_ENDS)
    }
    metrics = {name.rpartition(_BETWEEN)[2]: None for name in shown.values()}
    # _step, _runtime and _timestamp are W&B's own and come along without being asked for
    known = [name for name in metrics if not name.startswith("_")]
    if metric is None and len(known) == 1:
        metric = known[0]
    chosen = (
        []
        if metric is None
        else [
            (name.removesuffix(f"{_BETWEEN}{metric}"), place)
            for place, name in shown.items()
            if name.endswith(f"{_BETWEEN}{metric}")
        ]
    )
    if not chosen:
        listed = ", ".join(known) or "none"
        asked = (
            f"is a W&B export of {len(known)} metrics; choose one with metric= (--metric): {listed}. (If the columns are one run "
            'each, take " - " out of their names)'
            if metric is None
            else f"is a W&B export without the metric {metric!r}. {nearest(metric, known)}"
        )
        message = f"{file} {excerpt(asked)}"
        raise ConfigError(message)
    names = [name for name, _ in chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"{file} has two runs called {excerpt(twice)!r}: W&B allows that; rename one of them there"
        raise ConfigError(message)
    return dict(chosen)


def _means(rows: CsvRows, columns: Mapping[str, int]) -> int:
    """How many values lie between a smaller minimum and a larger maximum."""
    upper = [name.upper() for name in rows.header]
    differing = 0
    for place in columns.values():
        ends = [upper.index(name) for end in _ENDS if (name := f"{upper[place]}{end}") in upper]
        for _, (value, *others) in rows.columns(place, *ends):
            numbers = {parsed(cell) for cell in (value, *others) if cell.strip()}
            differing += len({entry for entry in numbers if entry == entry}) > 1
    return differing
