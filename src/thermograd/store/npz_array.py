"""One array of an npz file of somebody else, or why there is none."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError, DamagedRunError
from thermograd.store.printable import printable

Array = npt.NDArray[Any]


def read_npz(file: Path, key: str | None, metric: str | None) -> tuple[str, Array]:
    """The array asked for, or the one that can be meant.

    Args:
        file: the npz.
        key: name of the array; without it, the only one whose name begins with "unperturbed", else the only
            two-dimensional one.
        metric: part of the name, where several could be meant.

    Returns:
        Name and array.

    Raises:
        ConfigError: the file is no npz of plain arrays, or none or several arrays are meant.
        DamagedRunError: it is cut short.
    """
    with file.open("rb") as stream:
        first = stream.read(6)
    if not first.startswith(b"PK"):
        what = "one array (.npy): save it with np.savez" if first == b"\x93NUMPY" else "something else"
        message = f"{file} is not an npz file, but {what}"
        raise ConfigError(message)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            name = _array_name(file, archive, key, metric)
            table = archive[name]
    except ConfigError:
        raise
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        message = f"{file} is cut short or damaged ({error})"
        raise DamagedRunError(message) from error
    except ValueError as error:
        message = f"{file} holds something else than arrays of plain numbers, which is not read"
        raise ConfigError(message) from error
    return name, table


def _array_name(file: Path, archive: Any, key: str | None, metric: str | None) -> str:
    names: list[str] = list(archive.files)
    if key is not None:
        found = [name for name in names if name == key]
    else:
        found = [name for name in names if name.startswith("unperturbed")] or [
            name for name in names if archive[name].ndim == 2
        ]
        if metric is not None:
            found = [name for name in found if metric in name]
    if len(found) == 1:
        return found[0]
    if key is None and names and all(archive[name].ndim != 2 for name in names):
        shapes = ", ".join(f"{name} has shape {archive[name].shape}" for name in names[:3])
        message = f"{file}: {printable(shapes)}; a table (trajectory, time) is needed"
        raise ConfigError(message)
    listed = printable(", ".join(names) or "none")
    asked = f"no array {key!r}" if key is not None else f"{len(found)} arrays could be meant"
    message = f"{asked} in {file}; name one as {file.name}:KEY. It holds: {listed}"
    raise ConfigError(message)
