"""Reading chunks that must be there: one that is lost or whose checksum is wrong is named, never guessed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError
from thermograd.store.printable import printable
from thermograd.store.run_file import refuse_escape
from thermograd.store.zarr_group import GROUP
from thermograd.store.zstd_frame import HEAD_BYTES, frame_size

Array = npt.NDArray[Any]
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError)


@dataclass(frozen=True)
class Damage:
    """One chunk that cannot be trusted.

    Attributes:
        file: path inside the run.
        array: name on disk.
        row: chunk index along the first axis.
        why: "lost" or "damaged".
    """

    file: str
    array: str
    row: int
    why: str

    def __str__(self) -> str:
        return f"{self.file} is {self.why}"


def chunk_file(run: Path, name: str, index: tuple[int, ...]) -> Path:
    """Where zarr keeps a chunk."""
    return run / GROUP / name / "c" / Path(*map(str, index))


def read_chunk(run: Path, array: Any, name: str, index: tuple[int, ...]) -> Array | Damage:
    """One whole chunk, cut at the edges of the array, or what is wrong with it."""
    file = chunk_file(run, name, index)
    shown = str(file.relative_to(run))
    refuse_escape(run, file)
    if not file.is_file():
        return Damage(shown, name, index[0], "lost")
    part = tuple(
        slice(place * length, min((place + 1) * length, size))
        for place, length, size in zip(index, array.chunks, array.shape, strict=True)
    )
    try:
        if not _swells(file, array):
            return np.asarray(array[part])
    except _UNREADABLE:
        pass
    return Damage(shown, name, index[0], "damaged")


def read_rows(
    run: Path, array: Any, name: str, rows: range, missing: float, *, salvage: bool = False
) -> Array:
    """Rows of a one-dimensional array, every chunk of which must exist.

    Args:
        run: the run directory.
        array: the open zarr array.
        name: its name on disk.
        rows: which rows.
        missing: what a chunk that cannot be trusted reads as, with `salvage`.
        salvage: go on with the rest.

    Returns:
        Array (row,).

    Raises:
        DamagedRunError: a chunk is lost or damaged, without `salvage`.
    """
    length = array.chunks[0]
    found = np.full(len(rows), missing, array.dtype)
    if not rows:
        return found
    files = [
        chunk_file(run, name, (place,)) for place in range(rows.start // length, -(-rows.stop // length))
    ]
    for file in files:
        refuse_escape(run, file)
    if all(file.is_file() and not _swells(file, array) for file in files):
        try:
            return np.asarray(array[rows.start : rows.stop])
        except _UNREADABLE:
            pass
    damage = []
    for place in range(rows.start // length, -(-rows.stop // length)):
        chunk = read_chunk(run, array, name, (place,))
        if isinstance(chunk, Damage):
            damage.append(chunk)
            continue
        start = max(rows.start, place * length)
        stop = min(rows.stop, place * length + len(chunk))
        found[start - rows.start : stop - rows.start] = chunk[start - place * length : stop - place * length]
    if damage and not salvage:
        error = damaged(run, damage, len(files))
        raise error
    return found


def trusted_chunks(
    chunks: tuple[int, ...], shape: tuple[int, ...], row: int, records: int
) -> Iterator[tuple[int, ...]]:
    """Indices of the chunks of one block that hold its first `records` records.

    >>> list(trusted_chunks((2, 3, 5), (4, 7, 5), 1, 4))
    [(1, 0, 0), (1, 1, 0)]
    """
    rest = [range(-(-size // chunk)) for size, chunk in zip(shape[2:], chunks[2:], strict=True)]
    for place in range(-(-records // chunks[1])):
        for others in itertools.product(*rest):
            yield (row, place, *others)


def _swells(file: Path, array: Any) -> bool:
    """Whether a chunk would take more memory than a chunk of the array has."""
    with file.open("rb") as stream:
        said = frame_size(stream.read(HEAD_BYTES))
    return said is not None and said > math.prod(array.chunks) * array.dtype.itemsize


def damaged(run: Path, damage: list[Damage], total: int) -> DamagedRunError:
    """The error that names what is lost, how much is left, and how to recover."""
    shown = "; ".join(str(entry) for entry in damage[:5]) + (
        f"; and {len(damage) - 5} more" if len(damage) > 5 else ""
    )
    blocks = sorted({entry.row for entry in damage})
    where = ("block " if len(blocks) == 1 else "blocks ") + ", ".join(map(str, blocks[:8]))
    where += ", ..." if len(blocks) > 8 else ""
    if len(damage) < total:
        where += f"; {100 * (1 - len(damage) / total):.3g} % of what was asked for is intact"
    message = (
        f"{printable(run)}: {shown} ({where}). open_run(path, salvage=True) reads the rest as recorded; "
        f"thermograd resume {printable(run)} --repair recomputes the same bits"
    )
    return DamagedRunError(message, tuple(entry.file for entry in damage))
