"""Recorded logs of training runs, read into one table, whatever wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd import store  # its lazy door: zarr, an extra, only where a run is read
from thermograd.counted import counted
from thermograd.errors import ConfigError
from thermograd.store.csv_log import read_csv_log
from thermograd.store.epochs_beside_steps import BEGINNING
from thermograd.store.log_folder import is_glob, read_folder
from thermograd.store.log_table import LogTable
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.npz_array import read_npz
from thermograd.store.parquet_log import read_parquet
from thermograd.store.printable import printable

_READS = (
    "this version reads .npz (an array (trajectory, time)); .csv of one column a run, of columns run, step, value, "
    "or exported by W&B or TensorBoard; .parquet of columns run, step, value; folders and patterns of csv files of "
    "one run each; run directories of thermograd"
)

_ZARR = "trajectories.zarr"


@dataclass(frozen=True, eq=False)
class Trajectories:
    """One recorded value of every run at every time.

    Attributes:
        values: `(trajectory, time)`; NaN where a run was not evaluated, or had stopped.
        times: `(time,)` steps or epochs completed, increasing.
        names: name of each trajectory.
        unit: what the times count, "epoch" or "step".
        notes: what was found while reading, one sentence each.

    >>> values = np.array([[0.5, 0.7, 0.9], [0.4, 0.6, np.nan]])  # b stopped after epoch 2
    >>> print(Trajectories(values, np.array([1, 2, 4]), ("a", "b")))
    2 trajectories at 3 times, 1 to 4 epochs
    """

    values: npt.NDArray[np.floating[Any]]
    times: npt.NDArray[np.int64]
    names: tuple[str, ...]
    unit: str = "epoch"
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{counted(len(self.values), 'trajectory')} at {counted(self.times.size, 'time')}, "
            f"{self.times[0]} to {self.times[-1]} {self.unit}s"
        )


def load_trajectories(
    path: str | Path,
    *,
    metric: str | None = None,
    key: str | None = None,
    scale: float = 1.0,
    counts_from: int | None = None,
) -> Trajectories:
    """Read recorded runs.

    | layout | rule |
    |---|---|
    | npz | the array `key` (or `FILE:KEY`), else the one whose name begins with "unperturbed" (and holds `metric`), else the only two-dimensional one; columns are epochs 1, 2, ... |
    | csv, wide | a first column `step` or `epoch` (or none), each further column a run; with `metric` that one column, of one run |
    | csv, long; parquet | columns run (`seed`, `run_id`), step (`epoch`) and the value (`metric`, else `value`, else the only one left) |
    | csv of a W&B chart | `Step`, then `<run> - <metric>`; `__MIN` and `__MAX` are ignored |
    | csv of TensorBoard | `Wall time,Step,Value`, one run a file; the later wall time counts |
    | folder or glob | csv files of one run each, in natural order, named by their stems; `metric` is a column (of TensorBoard downloads the tag) |
    | run directory | the committed records of one scalar at ends of epochs (not that of time 0), infinite from where a run diverged |

    Blank means not evaluated. Where a resumed run logged a step twice, the later value counts, and a note says
    how often. Another note says how many runs end before the last. Times are what the log says: a log that
    counts from 0 gives the value after the first epoch the time 0, unless `counts_from=0` is said.

    Args:
        path: the file, `FILE:KEY` for an npz, a folder, a glob, or a run directory.
        metric: which value, where there are several; of a run directory the scalar, default the only one, or
            `test_accuracy`.
        key: which array of an npz.
        scale: factor of all values, 0.01 for per cent times 100.
        counts_from: the number the log gives the first completed step or epoch: 1, or 0 as `range` counts, of
            which 1 is added. Default 1, with a note if the log begins with 0.

    Returns:
        The runs, in the order of the file.

    Raises:
        ConfigError: no such file, a layout that is not read, an array or column that has to be named, or a run
            without any number.
        DamagedRunError: an npz that is cut short, or a run directory that cannot be trusted.
        MemoryLimitError: so many distinct times that the table would not fit.
        MissingExtraError: a run directory without zarr installed, or a parquet file without pyarrow.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = file.write_text("epoch,a,b" + chr(10) + "1,10,20" + chr(10) + "2,30,")
    >>> load_trajectories(file, scale=0.01).values.tolist()
    [[0.1, 0.3], [0.2, nan]]
    """
    if not (np.isfinite(scale) and scale != 0):
        message = f"scale must be a finite factor other than 0, got {scale}"
        raise ConfigError(message)
    file, key = _file_and_key(path, key)
    found, timed = _read(file, key, metric)
    if counts_from is not None or (timed and found.times[0] == 0):
        found = _counted(file, found, counts_from, timed=timed)
    _check_numbers(file, found)
    notes = (*found.notes, *_early_ends(found))
    return replace(found, values=_scaled(found.values, scale), notes=notes)


def joined(parts: Sequence[Trajectories]) -> Trajectories:
    """Several recordings of the same training as one, trajectory after trajectory.

    Args:
        parts: at least one; their times may differ, a run without a value at a time gets NaN there.

    Returns:
        All trajectories on the union of the times, with a note if some files end before others.

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
    whole = Trajectories(values, times, names, units.pop(), notes)
    if len({part.times[-1] for part in parts}) == 1:
        return whole
    return replace(whole, notes=(*notes, *_early_ends(whole)))


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
        from_0 = not ((recorded.times + 1) % steps_per_epoch).any()
        cure = (
            "they all are if the log counts from 0: say counts_from=0 (--counts-from 0)"
            if from_0
            else "keep the records at ends of epochs, or count in steps"
        )
        message = f"step {between[0]} is not the end of an epoch of {steps_per_epoch} steps: {cure}"
        raise ConfigError(message)
    counted = replace(recorded, times=recorded.times // steps_per_epoch, unit="epoch")
    said_in_steps = (BEGINNING, *_early_ends(recorded))
    notes = tuple(note for note in recorded.notes if not note.startswith(said_in_steps))
    return replace(counted, notes=(*notes, *_early_ends(counted)))


def _scaled(values: npt.NDArray[np.floating[Any]], scale: float) -> npt.NDArray[np.floating[Any]]:
    # 7203 * 0.01 need not be 72.03, but 7203 / 100 is: a value exactly at the target must count.
    divisor = round(1.0 / scale) if abs(scale) < 1.0 else 0
    exact = divisor != 0 and abs(scale * divisor - 1.0) < 1e-12
    return values / divisor if exact else values * scale


def _file_and_key(path: str | Path, key: str | None) -> tuple[Path, str | None]:
    file = Path(path)
    if not file.exists() and key is None:
        name, colon, inside = str(path).rpartition(":")
        if colon and name.lower().endswith((".npz", ".csv", ".parquet")):
            file, key = Path(name), inside
    if file.name == _ZARR and (file.parent / MANIFEST).exists():
        file = file.parent
    if not file.exists() and not is_glob(file):
        message = f"no file {file}"
        raise ConfigError(message)
    if key is not None and (file.suffix.lower() != ".npz" or file.is_dir()):
        kind = "is a folder without keys" if file.is_dir() else "has no keys"
        message = f"{file} {kind} to choose {key!r} from: {_READS}"
        raise ConfigError(message)
    return file, key


def _read(file: Path, key: str | None, metric: str | None) -> tuple[Trajectories, bool]:
    """The runs, and whether the log itself says the times."""
    suffix = file.suffix.lower()
    if file.is_dir() and (file / MANIFEST).exists():
        return store.trajectories_of_run(file, metric), False
    if file.is_dir() or is_glob(file):
        table = read_folder(file, metric)
    elif suffix == ".npz":
        return _from_npz(file, key, metric), False
    elif suffix == ".csv":
        table = read_csv_log(file, metric)
    elif suffix == ".parquet":
        table = read_parquet(file, metric)
    else:
        message = f"cannot read {file}, save it as csv: {_READS}"
        raise ConfigError(message)
    return _from_table(file, table), table.timed


def _from_table(file: Path, table: LogTable) -> Trajectories:
    values, times, notes = table.dense(file)
    return Trajectories(values, times, tuple(map(printable, table.names)), table.unit, notes)


def _counted(file: Path, found: Trajectories, counts_from: int | None, *, timed: bool) -> Trajectories:
    """The times as completed steps or epochs, of a log that may count from 0."""
    unit = found.unit
    if counts_from is None:
        note = (
            f"{file} begins at {unit} 0, which is taken as before any training. If its loop counts from 0, {unit} 0 "
            "is after the first one and every time is 1 too small: say counts_from=0 (--counts-from 0)"
        )
        return replace(found, notes=(*found.notes, note))
    if counts_from not in {0, 1}:
        message = f"{file}: a log counts from 0 or from 1, got {counts_from}"
        raise ConfigError(message)
    if not timed:
        message = (
            f"{file} does not number its {unit}s, so it counts neither from 0 nor from 1: leave that out"
        )
        raise ConfigError(message)
    return replace(found, times=found.times + (1 - counts_from))


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
    verb = "ends" if early.sum() == 1 else "end"
    return (
        f"{early.sum()} of {early.size} runs {verb} early (the first at {found.unit} {first}); those not at the "
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
