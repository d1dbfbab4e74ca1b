"""An array as a command names it: numbers, JSON, or a file of numbers."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.cli.option_words import numbers_of
from thermograd.discover import nearest
from thermograd.errors import ConfigError, DamagedRunError
from thermograd.store.npz_array import read_npz
from thermograd.store.printable import printable

Array = npt.NDArray[Any]

FORMS = "numbers, nested lists as JSON, FILE.npy, FILE.npz:NAME or FILE.csv:COLUMN"


def array_of(option: str, words: Sequence[str]) -> Array:
    """What the words of an option say.

    Args:
        option: as typed.
        words: after it: numbers, JSON, or one file.

    Returns:
        The array; of a table with a column `value`, as `estimate` and `predict` write, that column.

    Raises:
        ConfigError: they are neither numbers nor a file of numbers.
        DamagedRunError: the file is cut short.
    """
    written = numbers_of(words)
    if written is not None:
        return written
    place, name = _file(words[0]) if len(words) == 1 else (None, None)
    if place is None or words[0].startswith("["):
        got = printable(" ".join(words)) or "nothing"
        message = f"{option} takes an array: {FORMS}, rows of equal length; got {got[:80]}"
        raise ConfigError(message)
    if not place.is_file():
        message = f"{option} {printable(words[0])}: there is no such file. An array is given as {FORMS}"
        raise ConfigError(message)
    if place.suffix == ".npz":
        return _numbers(place, _of_npz(place, name))
    if place.suffix == ".npy":
        return _of_npy(place)
    columns = table_of(place)
    chosen = name or ("value" if "value" in columns else None)
    if chosen is None:
        return np.squeeze(np.stack(list(columns.values()), axis=1))
    if chosen not in columns:
        message = f"{printable(place)} has no column {chosen!r}. {nearest(chosen, columns)}"
        raise ConfigError(message)
    return columns[chosen]


def table_of(file: Path) -> dict[str, Array]:
    """The columns of a CSV file of numbers, by name; counted from 0 where the first line is numbers too.

    Args:
        file: the file; at most 64 MiB.

    Returns:
        At least one column. Empty cells are NaN; true and false are 1 and 0.

    Raises:
        ConfigError: names the line that holds no numbers, or has another number of cells.
    """
    if file.stat().st_size > 64 * 2**20:
        message = f"{printable(file)} is larger than 64 MiB; save it as an npz"
        raise ConfigError(message)
    try:
        rows = list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{printable(file)} is no CSV file of numbers ({printable(error)})"
        raise ConfigError(message) from error
    lines = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not lines:
        message = f"{printable(file)} is empty"
        raise ConfigError(message)
    names = None if _row(lines[0][1]) is not None else [cell.strip() for cell in lines[0][1]]
    width = len(lines[0][1])
    values = []
    for number, row in lines[names is not None :]:
        parsed = _row(row)
        if parsed is None or len(parsed) != width:
            message = f"{printable(file)}:{number}: {width} numbers are needed, got {printable(','.join(row))[:60]!r}"
            raise ConfigError(message)
        values.append(parsed)
    table = np.array(values, float).reshape(-1, width)
    return dict(zip(names or map(str, range(width)), table.T, strict=False))


def _file(word: str) -> tuple[Path, str | None]:
    """`FILE` or `FILE:NAME`; a file whose own name has a colon comes first."""
    if Path(word).exists() or ":" not in word:
        return Path(word), None
    place, _, name = word.rpartition(":")
    return Path(place), name


def _of_npz(place: Path, name: str | None) -> Array:
    """The array of that name; the only one if none is named."""
    if name is None and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            names = archive.namelist()
        if len(names) == 1:
            name = names[0].removesuffix(".npy")
    return read_npz(place, name, None)[1]


def _of_npy(place: Path) -> Array:
    try:
        found = np.array(
            np.load(place, mmap_mode="r", allow_pickle=False)
        )  # a map never allocates what a header claims
    except (ValueError, EOFError) as error:
        message = f"{printable(place)} is not an npy file of plain numbers, or cut short ({printable(error)})"
        raise DamagedRunError(message) from error
    return _numbers(place, found)


def _numbers(place: Path, found: Array) -> Array:
    if found.dtype.kind not in "biuf":
        message = f"{printable(place)} holds {found.dtype} instead of numbers"
        raise ConfigError(message)
    return found


def _row(cells: Sequence[str]) -> list[float] | None:
    truth = {"true": 1.0, "false": 0.0, "": float("nan")}
    try:
        return [truth[text] if (text := cell.strip().lower()) in truth else float(text) for cell in cells]
    except ValueError:
        return None
