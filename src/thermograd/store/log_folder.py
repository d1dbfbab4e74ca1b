"""Csv files of one run each, named by a folder or a glob."""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.store.csv_log import one_run, read_csv_log
from thermograd.store.csv_rows import CsvRows, read_rows
from thermograd.store.log_columns import run_column, time_column
from thermograd.store.log_table import LogTable, merged
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.printable import excerpt, printable
from thermograd.store.tensorboard_export import is_tensorboard, of_metric, tag_of, tensorboard_run
from thermograd.store.wandb_export import is_wandb

_LOOKED_AT = 1000


def is_glob(path: str | Path) -> bool:
    """Whether a path that does not exist is a pattern.

    >>> is_glob("runs/*.csv"), is_glob("runs")
    (True, False)
    """
    return glob.has_magic(str(path)) and not Path(path).exists()


def read_folder(path: str | Path, metric: str | None) -> LogTable:
    """The runs of a folder or glob, one csv file each, in natural order of their names.

    Args:
        path: a folder, of which every `*.csv` is a run, or a pattern that matches csv files.
        metric: which column; of TensorBoard files which tag.

    Returns:
        The runs, named by the stems of the files (with the folder, where stems are not enough).

    Raises:
        ConfigError: no csv file, one that holds several runs, files that count different units, or a metric
            has to be named.
    """
    files = _files(path)
    rows = [read_rows(file) for file in _of_metric(path, files, metric)]
    if len(rows) == 1 and _holds_several(rows[0]):
        return read_csv_log(rows[0].file, metric)
    names = _names([entry.file for entry in rows])
    tables = [_one(entry, name, metric) for entry, name in zip(rows, names, strict=True)]
    for entry, table in zip(rows, tables, strict=True):
        if not table.run.size:
            message = f"{entry.file} has a header but no values: leave the file out"
            raise ConfigError(message)
        if (table.unit, table.timed) != (tables[0].unit, tables[0].timed):
            message = (
                f"{path}: {rows[0].file.name} counts {_counted(tables[0])}, but {entry.file.name} "
                f"{_counted(table)}: give files of one kind"
            )
            raise ConfigError(message)
    return merged(tables)


def natural_order(text: str) -> list[tuple[int, str]]:
    """A key that sorts numbers inside names by their value.

    >>> sorted(["run10", "run9", "run1"], key=natural_order)
    ['run1', 'run9', 'run10']
    """
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", text)]


def _files(path: str | Path) -> list[Path]:
    if is_glob(path):
        found = sorted(
            map(Path, glob.glob(str(path), recursive=True)), key=lambda file: natural_order(str(file))
        )
        if not found:
            message = f"no file matches {path}"
            raise ConfigError(message)
        other = next((file for file in found if file.is_dir() or file.suffix.lower() != ".csv"), None)
        if other is not None:
            message = (
                f"{path} matches {excerpt(other)}: a pattern is for csv files of one run each. Give others one "
                "by one, they are joined"
            )
            raise ConfigError(message)
        return found
    folder = Path(path)
    inside = sorted(folder.iterdir(), key=lambda file: natural_order(file.name))
    # A name with a dot in front is hidden: of an editor, a notebook, or another file system.
    found = [
        file for file in inside if file.suffix.lower() == ".csv" and file.name[0] != "." and file.is_file()
    ]
    if found:
        return found
    runs = [file for file in inside if (file / MANIFEST).exists()]
    if runs:
        message = f"{folder} holds run directories; give them one by one, they are joined: {_listed(runs)}"
    elif not inside:
        message = f"{folder} is a folder, and empty"
    else:
        message = (
            f"{folder} is a folder, not a run directory, and has no .csv in it; it holds {_listed(inside)}. "
            f"For files further down give a pattern, as {_patterns(folder)}"
        )
    raise ConfigError(message)


def _patterns(folder: Path) -> str:
    """Patterns of the csv files further down, the one of most files first; an example where there are none."""
    files = [file for file in islice(folder.rglob("*.csv"), _LOOKED_AT) if file.is_file()]
    beside = Counter(file.parent for file in files)
    found = Counter(
        str(file.parent / "*.csv" if beside[file.parent] > 1 else file.parent.parent / "*" / file.name)
        for file in files
    )
    if not found:
        return f"{folder}/*/metrics.csv"
    shown = [
        f"{printable(shlex.quote(pattern))} ({count} of them)" for pattern, count in found.most_common(3)
    ]
    return " or ".join(shown)


def _listed(files: Sequence[Path]) -> str:
    more = "" if len(files) <= 3 else f" and {len(files) - 3} more"
    return printable(", ".join(file.name for file in files[:3])) + more


def _of_metric(path: str | Path, files: list[Path], metric: str | None) -> list[Path]:
    """Of downloads named by TensorBoard those with the tag asked for."""
    tags = {file: tag_of(file.stem) for file in files}
    known = {tag for tag in tags.values() if tag is not None}
    if not known or (metric is not None and metric.lower() == "value"):
        return files
    if metric is None:
        if len(known) > 1:
            message = f"{path} holds several scalars; choose one with metric= (--metric): {excerpt(', '.join(sorted(known)))}"
            raise ConfigError(message)
        return files
    found = [file for file, tag in tags.items() if tag is None or of_metric(tag, metric)]
    if not found:
        message = f"{path} holds no scalar {metric!r}. {excerpt(nearest(metric, known))}"
        raise ConfigError(message)
    return found


def _names(files: Sequence[Path]) -> list[str]:
    stems = [file.stem for file in files]
    if len(set(stems)) == len(stems):
        return [printable(stem) for stem in stems]
    # lightning_logs/version_0/metrics.csv: it is the folder that differs
    common = os.path.commonpath([file.parent for file in files])
    return [printable(file.relative_to(common).with_suffix("").as_posix()) for file in files]


def _one(rows: CsvRows, name: str, metric: str | None) -> LogTable:
    if is_tensorboard(rows):
        return tensorboard_run(rows, name, metric)
    if _holds_several(rows):
        message = (
            f"{rows.file} holds several runs, but in a folder or pattern every file is one run; give such files "
            "one by one, they are joined"
        )
        raise ConfigError(message)
    return one_run(rows, name, metric)


def _holds_several(rows: CsvRows) -> bool:
    return is_wandb(rows) or (run_column(rows.header) is not None and time_column(rows.header) is not None)


def _counted(table: LogTable) -> str:
    return f"{table.unit}s" if table.timed else "rows (it has no column step or epoch)"
