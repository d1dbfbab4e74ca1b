"""A parquet file of recorded runs in the long form: columns run, step and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedRunError, MissingExtraError
from thermograd.store.log_columns import RUN_COLUMNS, run_column, time_column, value_column
from thermograd.store.log_table import LogTable
from thermograd.store.printable import excerpt, printable

Array = npt.NDArray[Any]

_LARGEST_TIME = 2**53


def read_parquet(file: Path, metric: str | None) -> LogTable:
    """The runs of a parquet file; only the three columns are read.

    Args:
        file: the file.
        metric: which column is the value; default `value`, else the only one left.

    Returns:
        The entries, row by row.

    Raises:
        ConfigError: it is no parquet file, a column is missing or holds something else than it should.
        DamagedRunError: its pages cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow  # here: an extra, and half a second
        from pyarrow import parquet
    except ImportError as absent:
        raise MissingExtraError(package="pyarrow", extra="parquet", purpose="A parquet file") from absent
    try:
        header = parquet.read_schema(file).names
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        message = f"{file} is not a parquet file, or is cut short ({_first_line(error)})"
        raise ConfigError(message) from error
    run, found = run_column(header), time_column(header)
    if run is None or found is None:
        wanted = f"a run ({', '.join(RUN_COLUMNS)}) and a time (step or epoch)"
        message = f"{file} needs columns that name {wanted}; it has: {excerpt(', '.join(header) or 'none')}"
        raise ConfigError(message)
    time, unit = found
    chosen = [header[place] for place in (run, time, value_column(file, header, metric))]
    if len(set(header) & set(chosen)) < len(set(chosen)) or any(header.count(name) > 1 for name in chosen):
        message = f"{file} has two columns of the same name: {excerpt(', '.join(header))}"
        raise ConfigError(message)
    try:
        columns = parquet.read_table(file, columns=chosen, page_checksum_verification=True)
        names = [_text(file, name) for name in columns[chosen[0]].to_pylist()]
        at, value = (_numbers(file, name, columns[name]) for name in chosen[1:])
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        message = f"{file} is damaged: {_first_line(error)}"
        raise DamagedRunError(message) from error
    known = {name: place for place, name in enumerate(dict.fromkeys(names))}
    rows = np.array([known[name] for name in names], np.int64)
    return LogTable(tuple(map(printable, known)), rows, _whole(file, chosen[1], at), value, unit)


def _text(file: Path, name: object) -> str:
    if name is None:
        message = f"{file}: a row has no run; leave such rows out"
        raise ConfigError(message)
    return str(int(name)) if isinstance(name, float) and name.is_integer() else str(name)


def _numbers(file: Path, name: str, column: Any) -> npt.NDArray[np.float64]:
    """A column as numbers, NaN where it is empty."""
    from pyarrow import float64, types  # here: as above

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if not (plain or types.is_boolean(kind) or types.is_null(kind)):
        message = f"{file}: the column {excerpt(name)!r} must hold numbers, it holds {kind}"
        raise ConfigError(message)
    if types.is_boolean(kind):
        column = column.cast("int8")
    numbers: npt.NDArray[np.float64] = column.cast(float64(), safe=False).to_numpy().astype(np.float64)
    return numbers


def _whole(file: Path, name: str, at: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        wrong = ~((at >= 0) & (at < _LARGEST_TIME) & (at == np.floor(at)))
    if wrong.any():
        row = int(np.argmax(wrong))
        message = f"{file} row {row + 1}: {excerpt(name)} {at[row]:g} is not a whole number >= 0"
        raise ConfigError(message)
    return at.astype(np.int64)


def _first_line(error: Exception) -> str:
    return excerpt((str(error).splitlines() or [type(error).__name__])[0])
