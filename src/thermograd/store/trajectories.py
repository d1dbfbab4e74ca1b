"""Recorded logs of training runs, read into one table: npz, wide csv, long csv and run directories."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.npz_array import read_npz
from thermograd.store.printable import printable

Array = npt.NDArray[Any]

_RUN_COLUMNS = ("run", "run_id", "seed")
_TIME_COLUMNS = ("step", "epoch")
_BLANK = {"", "nan", "none", "null", "na", "n/a"}
_READS = (
    "this version reads .npz (an array (trajectory, time)), wide .csv (one column a run), long .csv "
    "(columns run, step, value) and run directories of thermograd"
)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """One recorded value of every run at every time.

    Attributes:
        values: `(trajectory, time)`; NaN where a run was not evaluated, or had stopped.
        times: `(time,)` steps or epochs completed, increasing.
        names: name of each trajectory.
        unit: what the times count, "epoch" or "step".
        notes: what was found while reading, one sentence each.
    """

    values: npt.NDArray[np.floating[Any]]
    times: npt.NDArray[np.int64]
    names: tuple[str, ...]
    unit: str = "epoch"
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{len(self.values)} trajectories at {self.times.size} times, {self.times[0]} to {self.times[-1]} {self.unit}s"


def load_trajectories(
    path: str | Path, *, metric: str | None = None, key: str | None = None, scale: float = 1.0
) -> Trajectories:
    """Read recorded runs.

    npz: the array `key` (or `FILE:KEY`), else the one whose name begins with "unperturbed" (and holds
    `metric`), else the only two-dimensional one; columns are epochs 1, 2, .... Wide csv: a first column `step`
    or `epoch` (or none), each further column a run. Long csv: columns run (`seed`, `run_id`), step (`epoch`)
    and the value (`metric`, else `value`, else the only one left). Blank means not evaluated; where a resumed
    run logged a step twice, the later value counts, and a note says how often. Run directory: the committed
    records of one scalar at ends of epochs (not that of time 0), trajectories named by number, infinite from
    where one diverged. A note says how many runs end before the last.

    Args:
        path: the file, `FILE:KEY` for an npz, or a run directory.
        metric: which value, where there are several; of a run directory the scalar, default the only one, or
            `test_accuracy`.
        key: which array of an npz.
        scale: factor of all values, 0.01 for per cent times 100.

    Returns:
        The runs, in the order of the file.

    Raises:
        ConfigError: no such file, a layout that is not read, an array or column that has to be named, or a run
            without any number.
        DamagedRunError: an npz that is cut short, or a run directory that cannot be trusted.
        MissingExtraError: a run directory, and zarr is not installed.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = file.write_text("epoch,a,b" + chr(10) + "1,10,20" + chr(10) + "2,30,")
    >>> load_trajectories(file, scale=0.01).values.tolist()
    [[0.1, 0.3], [0.2, nan]]
    """
    file, key = _file_and_key(path, key)
    if not (np.isfinite(scale) and scale != 0):
        message = f"scale must be a finite factor other than 0, got {scale}"
        raise ConfigError(message)
    suffix = file.suffix.lower()
    if file.is_dir() and key is None and (file / MANIFEST).exists():
        from thermograd.store.run_trajectories import (
            trajectories_of_run,
        )  # here: zarr, an extra, for this only

        found = trajectories_of_run(file, metric)
    elif suffix == ".npz":
        found = _from_npz(file, key, metric)
    elif suffix == ".csv" and key is None:
        found = _from_csv(file, metric)
    else:
        what = f"{file} has no keys to choose {key!r} from" if suffix == ".csv" else f"cannot read {file}"
        message = f"{what}: {_READS}"
        raise ConfigError(message)
    _check_numbers(file, found)
    notes = (*found.notes, *_early_ends(found))
    return replace(found, values=_scaled(found.values, scale), notes=notes)


def joined(parts: Sequence[Trajectories]) -> Trajectories:
    """Several recordings of the same training as one, trajectory after trajectory.

    Args:
        parts: at least one; their times may differ, a run without a value at a time gets NaN there.

    Returns:
        All trajectories on the union of the times.

    Raises:
        ConfigError: they count different units.

    >>> one = Trajectories(np.zeros((1, 2)), np.array([1, 2]), ("a",))
    >>> joined([one, Trajectories(np.ones((2, 1)), np.array([1]), ("b", "c"))]).values.tolist()
    [[0.0, 0.0], [1.0, nan], [1.0, nan]]
    """
    units = {part.unit for part in parts}
    if len(units) != 1:
        message = (
            f"these files count {' and '.join(f'{unit}s' for unit in sorted(units))}: give files of one kind"
        )
        raise ConfigError(message)
    times = np.unique(np.concatenate([part.times for part in parts]))
    precision = np.result_type(*(part.values.dtype for part in parts))
    values = np.full((sum(len(part.values) for part in parts), times.size), np.nan, precision)
    row = 0
    for part in parts:
        values[row : row + len(part.values), np.searchsorted(times, part.times)] = part.values
        row += len(part.values)
    names = tuple(name for part in parts for name in part.names)
    notes = tuple(note for part in parts for note in part.notes)
    return Trajectories(values, times, names, units.pop(), notes)


def in_epochs(recorded: Trajectories, steps_per_epoch: int) -> Trajectories:
    """The same runs with times in epochs.

    Args:
        recorded: runs whose times are steps, all at ends of epochs.
        steps_per_epoch: optimiser steps in an epoch.

    Returns:
        The runs; the values are shared.

    Raises:
        ConfigError: fewer than one step per epoch, the times are epochs already, or some are no multiple of it.

    >>> in_epochs(Trajectories(np.zeros((1, 2)), np.array([30, 60]), ("a",), "step"), 30).times.tolist()
    [1, 2]
    """
    if steps_per_epoch < 1:
        message = f"steps per epoch must be a whole number from 1, got {steps_per_epoch}"
        raise ConfigError(message)
    if recorded.unit != "step":
        message = (
            f"this log counts {recorded.unit}s already; leave the steps per epoch ({steps_per_epoch}) out, they "
            "are for logs that count steps"
        )
        raise ConfigError(message)
    between = recorded.times[recorded.times % steps_per_epoch != 0]
    if between.size:
        message = (
            f"step {between[0]} is not the end of an epoch of {steps_per_epoch} steps: keep the records at "
            "ends of epochs, or count in steps"
        )
        raise ConfigError(message)
    return replace(recorded, times=recorded.times // steps_per_epoch, unit="epoch")


def _scaled(values: npt.NDArray[np.floating[Any]], scale: float) -> npt.NDArray[np.floating[Any]]:
    # 7203 * 0.01 need not be 72.03, but 7203 / 100 is: a value exactly at the target must count.
    divisor = round(1.0 / scale) if abs(scale) < 1.0 else 0
    exact = divisor != 0 and abs(scale * divisor - 1.0) < 1e-12
    return values / divisor if exact else values * scale


def _file_and_key(path: str | Path, key: str | None) -> tuple[Path, str | None]:
    file = Path(path)
    if not file.exists() and key is None:
        name, colon, inside = str(path).rpartition(":")
        if colon and name.lower().endswith((".npz", ".csv")):
            file, key = Path(name), inside
    if file.is_dir() and (key is not None or not (file / MANIFEST).exists()):
        kind = (
            "a folder, not a run directory"
            if key is None
            else f"a folder without keys to choose {key!r} from"
        )
        message = f"{file} is {kind}: {_READS}"
        raise ConfigError(message)
    if not file.exists():
        message = f"no file {file}"
        raise ConfigError(message)
    return file, key


def _check_numbers(file: Path, found: Trajectories) -> None:
    empty = np.isnan(found.values).all(axis=1)
    if not empty.any():
        return
    names = [name for name, nothing in zip(found.names, empty, strict=True) if nothing]
    more = "" if len(names) <= 3 else f" and {len(names) - 3} more"
    message = (
        f"{file}: {len(names)} of {empty.size} runs hold no number at all ({', '.join(names[:3])}{more}): "
        "leave them out, or look at how they were written"
    )
    raise ConfigError(message)


def _early_ends(found: Trajectories) -> tuple[str, ...]:
    """A note on the runs whose record stops before that of others: whoever stopped them may have had a reason."""
    last = found.times.size - 1 - np.argmax(~np.isnan(found.values)[:, ::-1], axis=1)
    early = last < last.max()
    if not early.any():
        return ()
    first = found.times[last[early].min()]
    some = "run ends" if early.sum() == 1 else "runs end"
    return (
        f"{early.sum()} of {early.size} {some} early (the first at {found.unit} {first}); those not at the "
        "target by then count as censored, which is right only if they were not stopped for how they did",
    )


def _from_npz(file: Path, key: str | None, metric: str | None) -> Trajectories:
    name, table = read_npz(file, key, metric)
    if table.ndim != 2 or 0 in table.shape or table.dtype.kind not in "fiub":
        message = f"{file}:{name} must be numbers (trajectory, time), got {table.dtype} {table.shape}"
        raise ConfigError(message)
    names = tuple(printable(f"{name}[{row}]") for row in range(len(table)))
    values = table if table.dtype.kind == "f" else table.astype(np.float64)
    return Trajectories(values, np.arange(1, table.shape[1] + 1), names)


def _from_csv(file: Path, metric: str | None) -> Trajectories:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{file} is not a csv text file ({error})"
        raise ConfigError(message) from error
    if not rows:
        message = f"{file} is empty"
        raise ConfigError(message)
    header = [cell.strip() for cell in rows[0]]
    lower = [cell.lower() for cell in header]
    foreign = lower == ["wall time", "step", "value"] or any(c.endswith(("__min", "__max")) for c in lower)
    if foreign:
        message = f"{file} looks like a TensorBoard or W&B export, which is not read: {_READS}"
        raise ConfigError(message)
    run = next((name for name in _RUN_COLUMNS if name in lower), None)
    time = next((name for name in _TIME_COLUMNS if name in lower), None)
    if run is not None and time is not None:
        return _long(file, header, rows[1:], lower.index(run), lower.index(time), metric)
    if metric is not None:
        message = f"{file} has one column a run (no columns run and step), so there is no metric {metric!r} to choose"
        raise ConfigError(message)
    return _wide(file, header, rows)


def _long(
    file: Path, header: list[str], rows: list[list[str]], run: int, time: int, metric: str | None
) -> Trajectories:
    value = _value_column(file, header, {run, time}, metric)
    columns = max(run, time, value)
    entries = []
    for line, row in enumerate(rows, start=2):
        if len(row) <= columns:
            message = f"{file} line {line}: {len(row)} cells, but the header has {len(header)}"
            raise ConfigError(message)
        place = f"{file} line {line}"
        entries.append((row[run].strip(), _whole(row[time], place), _number(row[value], place)))
    return _assembled(file, entries, header[time].lower())


def _value_column(file: Path, header: list[str], taken: set[int], metric: str | None) -> int:
    lower = [name.lower() for name in header]
    free = [place for place in range(len(header)) if place not in taken]
    if metric is not None:
        free = [place for place in free if header[place] == metric]
    elif "value" in lower:
        free = [lower.index("value")]
    if len(free) == 1:
        return free[0]
    asked = "which column is the value?" if metric is None else f"no value column {metric!r}"
    message = f"{file}: {asked} Choose with metric=; columns: {printable(', '.join(header))}"
    raise ConfigError(message)


def _wide(file: Path, header: list[str], rows: list[list[str]]) -> Trajectories:
    named = any(_parsed(cell) is None for cell in header)
    body = rows[1:] if named else rows
    timed = named and header[0].lower() in _TIME_COLUMNS
    names = header[1:] if timed else header
    if not named:
        names = [f"column {place + 1}" for place in range(len(header))]
    if "" in names:
        message = (
            f"{file} has a column without a name: call the times step or epoch, and leave a row number out "
            "(index=False)"
        )
        raise ConfigError(message)
    if not body or not names:
        message = f"{file} has no values: {_READS}"
        raise ConfigError(message)
    if len(set(names)) != len(names):
        message = f"{file} has two columns of the same name: {printable(', '.join(names))}"
        raise ConfigError(message)
    entries: list[tuple[str, int, float]] = []
    for line, row in enumerate(body, start=2 if named else 1):
        place = f"{file} line {line}"
        if len(row) > len(header):
            message = f"{place}: {len(row)} cells, but the header has {len(header)}"
            raise ConfigError(message)
        at = _whole(row[0], place) if timed else len(entries) // len(names) + 1
        cells = (row[1:] if timed else row) + [""] * len(header)
        entries += [(name, at, _number(cell, place)) for name, cell in zip(names, cells, strict=False)]
    return _assembled(file, entries, header[0].lower() if timed else "epoch")


def _assembled(file: Path, entries: Iterable[tuple[str, int, float]], unit: str) -> Trajectories:
    """A table of (run, time, value); where a run has two values at a time, the later one that is a number."""
    seen: dict[tuple[str, int], float] = {}
    repeated = 0
    for name, at, value in entries:
        known = seen.get((name, at))
        if known is not None and not np.isnan(known):
            if np.isnan(value):
                continue
            repeated += 1
        seen[name, at] = value
    names = tuple(dict.fromkeys(name for name, _ in seen))
    times = np.array(sorted({at for _, at in seen}), np.int64)
    if not times.size:
        message = f"{file} has a header but no values"
        raise ConfigError(message)
    row = {name: place for place, name in enumerate(names)}
    column = {at: place for place, at in enumerate(times.tolist())}
    values = np.full((len(names), times.size), np.nan)
    for (name, at), value in seen.items():
        values[row[name], column[at]] = value
    notes = (f"{file}: {repeated} repeated steps, the later value counts",) if repeated else ()
    return Trajectories(values, times, tuple(printable(name) for name in names), unit, notes)


def _parsed(cell: str) -> float | None:
    text = cell.strip()
    if text.lower() in _BLANK:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def _number(cell: str, place: str) -> float:
    value = _parsed(cell)
    if value is None:
        message = f"{place}: {printable(cell)!r} is not a number (blank means not evaluated)"
        raise ConfigError(message)
    return value


def _whole(cell: str, place: str) -> int:
    value = _parsed(cell)
    if value is None or not np.isfinite(value) or value != int(value) or value < 0:
        message = f"{place}: step {printable(cell)!r} is not a whole number >= 0"
        raise ConfigError(message)
    return int(value)
