"""A table of displacements in an npz file."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError
from thermograd.store.atomic_file import write_atomically
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
    buffer = io.BytesIO()
    header = {"format": np.array(_FORMAT), "version": np.array(_VERSION)}
    np.savez_compressed(
        buffer, allow_pickle=False, **header, **{name: np.asarray(value) for name, value in fields.items()}
    )
    write_atomically(Path(path), buffer.getvalue())


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
    fields = _arrays(Path(path))
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


def _arrays(path: Path) -> dict[str, Any]:
    if not path.is_file():
        message = f"no file {printable(path)}"
        raise ConfigError(message)
    with path.open("rb") as stream:
        packed = stream.read(2) == b"PK"
    if not packed:
        message = f"{printable(path)} is no npz file; DisplacementTable.save writes one"
        raise ConfigError(message)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, zlib.error, NotImplementedError) as error:
        raise DamagedDataError(printable(path), f"cut short or altered ({error})") from error
