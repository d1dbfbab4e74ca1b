"""A table of displacements in an npz file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError
from thermograd.numerics.argument_kind import check_path
from thermograd.store.npz_file import read_arrays, write_arrays
from thermograd.store.printable import printable

_FORMAT, _VERSION = "thermograd displacement table", 1
Table = TypeVar("Table")


def save_table(fields: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the fields of a table, atomically.

    Args:
        fields: by name; everything that numpy can write without pickling.
        path: the file to create or replace.

    Raises:
        OSError: the disk refuses; an old file is untouched.
    """
    check_path("path", path)
    write_arrays(path, {"format": np.array(_FORMAT), "version": np.array(_VERSION), **fields})


def read_table(path: str | os.PathLike[str], make: Callable[[Mapping[str, Any]], Table]) -> Table:
    """The table of a file of `save_table`.

    Args:
        path: the file.
        make: the table of its fields by name.

    Returns:
        What `make` returns.

    Raises:
        ConfigError: a ValueError: there is no such file, or it is something else.
        DamagedDataError: a ValueError: cut short or altered.
        NewerFormatError: written by a newer version.
    """
    check_path("path", path)
    fields: dict[str, Any] = read_arrays(path, "DisplacementTable.save")
    if str(fields.pop("format", "")) != _FORMAT:
        held = printable(", ".join(fields)) or "nothing"
        message = f"{printable(path)} is no table of displacements (DisplacementTable.save writes one); it holds: {held}"
        raise ConfigError(message)
    version = int(fields.pop("version", np.array(0)))
    if version > _VERSION:
        message = f"{printable(path)} is of version {version}, this thermograd reads {_VERSION}: pip install -U thermograd"
        raise NewerFormatError(message)
    try:
        return make(fields)
    except (ConfigError, ValueError, TypeError) as error:
        raise DamagedDataError(printable(path), f"altered ({error})") from error
