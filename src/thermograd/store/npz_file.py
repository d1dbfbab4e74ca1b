"""All arrays of an npz file of ours, written atomically, read without executing anything."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedDataError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.printable import printable

Array = npt.NDArray[Any]


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> Path:
    """Write arrays to one compressed npz file, atomically.

    Args:
        path: the file to create or replace; its folder must exist.
        arrays: by name; everything that numpy can write without pickling.

    Returns:
        The file.

    Raises:
        OSError: the disk refuses; an older file is untouched.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()}
    )
    file = Path(path)
    write_atomically(file, buffer.getvalue())
    return file


def read_arrays(path: str | os.PathLike[str], writer: str) -> dict[str, Array]:
    """The arrays of an npz file by name. Nothing in the file is executed.

    Args:
        path: the file.
        writer: what writes such files, for the message about another one.

    Raises:
        ConfigError: there is no such file, or it is no npz file.
        DamagedDataError: cut short or altered, or it holds Python objects.
    """
    file = Path(path)
    if not file.is_file():
        message = f"no file {printable(file)}"
        raise ConfigError(message)
    try:
        with file.open("rb") as stream:
            if stream.read(2) != b"PK":
                message = f"{printable(file)} is no npz file; {writer} writes one"
                raise ConfigError(message)
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except ConfigError:
        raise
    except (zipfile.BadZipFile, ValueError, EOFError, zlib.error, NotImplementedError) as error:
        raise DamagedDataError(printable(file), f"cut short or altered ({error})") from error
