"""The cells of a csv file, and what is wrong with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermograd.errors import ConfigError
from thermograd.store.printable import excerpt

_BLANK = {"", "nan", "none", "null", "na", "n/a"}
_LARGEST_TIME = 2**53


@dataclass(frozen=True)
class CsvRows:
    """A csv file as text.

    Attributes:
        file: where it is.
        header: the first row that is not blank, without surrounding blanks.
        rows: the others that are not blank.
        lines: the line of the file each of them ends on.
        first_line: the line of the header.
    """

    file: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    first_line: int

    @property
    def lower(self) -> list[str]:
        """The header in lower case."""
        return [name.lower() for name in self.header]

    def columns(self, *needed: int) -> list[tuple[str, tuple[str, ...]]]:
        """Of each row, its place in words and the cells of some columns.

        Args:
            *needed: which columns.

        Returns:
            One pair per row.

        Raises:
            ConfigError: a row is shorter than that, or longer than the header.
        """
        chosen = []
        for row, line in zip(self.rows, self.lines, strict=True):
            place = f"{self.file} line {line}"
            if len(row) <= max(needed) or len(row) > len(self.header):
                message = (
                    f"{place}: {len(row)} cells, but the header has {len(self.header)}; was it cut off, or written by two runs? "
                    "Mend the line, or leave the file out"
                )
                raise ConfigError(message)
            chosen.append((place, tuple(row[column] for column in needed)))
        return chosen


def read_rows(file: Path) -> CsvRows:
    """The rows of a csv file that are not blank.

    Args:
        file: the file; UTF-8, cells separated by commas.

    Returns:
        The rows.

    Raises:
        ConfigError: it is no such file, or empty.
    """
    rows, lines = [], []
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(tuple(row))
                    lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{file} is not a csv text file ({error}): save it as csv in UTF-8"
        raise ConfigError(message) from error
    if not rows:
        message = f"{file} is empty: leave it out"
        raise ConfigError(message)
    if len(rows[0]) == 1:
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in rows[0][0]:
                message = f"{file} is separated by {name}; save it separated by commas, with decimal points in numbers"
                raise ConfigError(message)
    header = tuple(cell.strip() for cell in rows[0])
    return CsvRows(file, header, tuple(rows[1:]), tuple(lines[1:]), lines[0])


def parsed(cell: str) -> float | None:
    """The number in a cell: NaN if it is blank, None if it holds something else.

    >>> parsed(" 7.5 "), parsed("None"), parsed("seven")
    (7.5, nan, None)
    """
    text = cell.strip()
    if text.lower() in _BLANK:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def number(cell: str, place: str) -> float:
    """The number in a cell, NaN if it is blank.

    Args:
        cell: the text.
        place: where it is, for the message.

    Returns:
        The number.

    Raises:
        ConfigError: it holds something else.
    """
    value = parsed(cell)
    if value is None:
        why = "write it without the sign" if cell.strip().endswith("%") else "blank means not evaluated"
        message = f"{place}: {_shown(cell)} is not a number ({why})"
        raise ConfigError(message)
    return value


def whole(cell: str, place: str) -> int:
    """The step or epoch in a cell.

    Args:
        cell: the text.
        place: where it is, for the message.

    Returns:
        A whole number from 0.

    Raises:
        ConfigError: it holds something else, or more than 2^53, from where whole numbers are not exact.

    >>> whole("30.0", "log.csv line 2")
    30
    """
    value = parsed(cell)
    if value is None or not np.isfinite(value) or value != int(value) or value < 0:
        message = f"{place}: step {_shown(cell)} is not a whole number >= 0"
        raise ConfigError(message)
    if value >= _LARGEST_TIME:
        message = f"{place}: step {_shown(cell)} is too large to be a number of steps"
        raise ConfigError(message)
    return int(value)


def _shown(cell: str) -> str:
    return repr(excerpt(cell, 40))
