"""Values logged to a file of one's own: JSON lines, or a csv table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path

from thermograd.store.line_file import LineFile

Value = float | int | str | None
# a spreadsheet takes text that begins so for a formula
_FORMULA = ("=", "+", "-", "@")


class JsonLinesFile:
    """One JSON object a line, `{"step": 50, "loss": 0.25}`; what is not finite is null.

    Args:
        path: the file, see `LineFile` for what becomes of one that exists.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path, b'{"step": ', _step_of_object, header=False)

    def __call__(self, values: Mapping[str, Value], step: int) -> None:
        """Add the values of one step."""
        content = {"step": step} | {name: _finite(value) for name, value in values.items() if name != "step"}
        self._file.rewind(step)
        self._file.append(json.dumps(content, allow_nan=False).encode("ascii"), step)


class CsvFile:
    """One row a step: the column `step`, then one per name in the order in which they first came.

    None is an empty cell. A name that comes later adds a column, empty in the rows so far; the file is then
    rewritten atomically. `load_trajectories(path, metric=name)` reads it.

    Args:
        path: the file, see `LineFile` for what becomes of one that exists.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path, b"step,", _step_of_row, header=True)
        self._columns: list[str] = []

    def __call__(self, values: Mapping[str, Value], step: int) -> None:
        """Add the values of one step."""
        named = {_cell(name): _cell(value) for name, value in values.items()} | {"step": str(step)}
        if self._file.rewind(step):
            self._columns = next(map(_cells, self._file.lines()), [])
        new = [name for name in ("step", *named) if name not in self._columns]
        if new:
            self._widen(list(dict.fromkeys([*self._columns, *new])))
        self._file.append(_row([named.get(name, "") for name in self._columns]), step)

    def _widen(self, columns: list[str]) -> None:
        rows = [_cells(line) for line in self._file.lines()[1:]]
        padded = [[*row, *[""] * (len(columns) - len(row))] for row in rows]
        self._file.replace(map(_row, [columns, *padded]))
        self._columns = columns


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Value) -> str:
    if not isinstance(value, str):
        return "" if value is None else repr(value)
    text = " ".join(value.encode("utf-8", "replace").decode("utf-8").split())
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue().encode("utf-8")


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8-sig")]), [])
    except csv.Error as error:
        raise ValueError(*error.args) from error


def _step_of_row(line: bytes) -> int:
    return int(next(iter(_cells(line)), ""))


def _step_of_object(line: bytes) -> int:
    content = json.loads(line)
    step = content.get("step") if isinstance(content, dict) else None
    if not isinstance(step, int):
        message = "no step"
        raise ValueError(message)
    return step
