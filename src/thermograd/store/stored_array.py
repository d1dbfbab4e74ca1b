"""How one recorded array lies on disk: its name there, its shape and its chunks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.store.byte_size import byte_size
from thermograd.store.layout import Header

CHUNK_BYTES = 4 * 2**20
LARGEST_RECORD_BYTES = 256 * 2**20
MOST_FILES = 200_000
WEIGHTS = "weights/"
_NAME = re.compile(r"[a-z][a-z0-9_.]*")
_FORBIDDEN_IN_WEIGHTS = re.compile(r"[/\\\x00-\x1f\x7f]")
_RESERVED = {"trajectory", "outcome", "diverged_at", "committed", "weights"}


@dataclass(frozen=True)
class StoredArray:
    """One recorded array on disk.

    Attributes:
        name: as in the run, with `/`.
        shape: (trajectory, time, ...).
        dtype: numpy dtype name.
        chunks: (block size, time chunk, ...).
        time: name of its time coordinate, `time`, `time_2`, ...
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    time: str

    @property
    def disk_name(self) -> str:
        """Path inside the zarr group: `weights/<parameter>`, and `.` for `/` elsewhere.

        >>> StoredArray("stochastic_area/count", (4, 2), "float64", (4, 2), "time").disk_name
        'stochastic_area.count'
        """
        return self.name if self.name.startswith(WEIGHTS) else self.name.replace("/", ".")

    @property
    def missing(self) -> float | int:
        """The value of what is not known: NaN, or -1 for integers."""
        return math.nan if np.dtype(self.dtype).kind == "f" else -1

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """Names of the dimensions, unique inside the array."""
        stem = self.disk_name.replace("/", ".")
        return ("trajectory", self.time, *(f"{stem}_{axis}" for axis in range(len(self.shape) - 2)))

    @property
    def files(self) -> int:
        """Number of chunks when everything is written."""
        return math.prod(-(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True))


def check_name(name: str) -> str | None:
    """What is wrong with the name of an array, None if it may become a path.

    >>> check_name("train_loss"), check_name("weights/layers.0.weight")
    (None, None)
    >>> check_name("weights/../../etc")
    "the weight name '../../etc' cannot be a file name; no separators, control characters or dots alone"
    """
    if name.startswith(WEIGHTS):
        leaf = name.removeprefix(WEIGHTS)
        bad = not leaf.strip(".") or leaf.startswith("__") or leaf == "zarr.json"
        if bad or _FORBIDDEN_IN_WEIGHTS.search(leaf) or _bytes(leaf) > 200:
            return f"the weight name {leaf!r} cannot be a file name; no separators, control characters or dots alone"
        return None
    disk = name.replace("/", ".")
    reserved = disk in _RESERVED or re.fullmatch(r"time(_\d+)?", disk)
    if reserved or len(disk) > 200 or not _NAME.fullmatch(disk):
        return f"the array name {name!r} cannot be used on disk; small letters, digits, _ and . only, not reserved"
    return None


def _bytes(leaf: str) -> float:
    """Bytes of a file name; infinitely many of what is no text."""
    try:
        return len(leaf.encode("utf-8"))
    except UnicodeEncodeError:
        return math.inf


def coordinates(header: Header) -> dict[str, npt.NDArray[np.int64]]:
    """The distinct record times of a run, in order of first appearance, as `time`, `time_2`, ..."""
    found: dict[str, npt.NDArray[np.int64]] = {}
    for spec in header.arrays:
        if _coordinate_of(found, spec.times) is None:
            found["time" if not found else f"time_{len(found) + 1}"] = spec.times
    return found


def stored_arrays(
    header: Header, time_chunk: int | str = "auto", free: int | None = None
) -> tuple[StoredArray, ...]:
    """Names, shapes and chunks of all arrays of a run.

    The time chunk is clamp(⌊4 MiB / (B · bytes per record)⌋, 1, T) with B the block size and T the number
    of records, unless a number is given.

    Args:
        header: what is recorded.
        time_chunk: records per chunk, or "auto".
        free: bytes free on the disk, for the error message.

    Returns:
        One entry per array, in the order of the header.

    Raises:
        ConfigError: a name that cannot be a file, one record of one block above 256 MiB, or more than
            200 000 files; proposes sizes that fit.
    """
    times = coordinates(header)
    wide = min(header.block_size, header.trajectories)
    arrays = []
    for spec in header.arrays:
        problem = check_name(spec.name)
        if problem:
            raise ConfigError(problem, (("observe", problem),))
        record = max(1, wide * spec.record_bytes)
        if record > LARGEST_RECORD_BYTES:
            fits = max(1, LARGEST_RECORD_BYTES // max(1, spec.record_bytes))
            problem = (
                f"one record of {spec.name!r} for a block of {wide} trajectories takes {record / 2**20:.0f} MiB, "
                f"at most {LARGEST_RECORD_BYTES // 2**20} are written at once; block_size = {fits} fits"
            )
            message = f"block_size: {problem}"
            raise ConfigError(message, (("block_size", problem),))
        count = max(1, spec.times.size)
        length = CHUNK_BYTES // record if time_chunk == "auto" else int(time_chunk)
        chunks = (wide, min(max(length, 1), count), *spec.shape)
        coordinate = _coordinate_of(times, spec.times) or "time"
        shape = (header.trajectories, spec.times.size, *spec.shape)
        arrays.append(StoredArray(spec.name, shape, spec.dtype, chunks, coordinate))
    _check_distinct(arrays)
    _check_files(header, arrays, free)
    return tuple(arrays)


def planned_files(header: Header, arrays: Sequence[StoredArray]) -> int:
    """Number of files of a finished run: chunks, their metadata, outcomes, checkpoints, locks and logs of blocks."""
    return sum(array.files + 1 for array in arrays) + 6 * header.blocks + 16


def metadata(array: StoredArray) -> dict[str, Any]:
    """What `zarr.json` of an array must say; it may say more."""
    return array_metadata(array.shape, array.dtype, array.chunks, array.missing, array.dimension_names)


def array_metadata(
    shape: tuple[int, ...], dtype: str, chunks: tuple[int, ...], fill: float, names: tuple[str, ...]
) -> dict[str, Any]:
    """Zarr v3 metadata of an array of ours, codec options aside."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if isinstance(fill, float) else fill,
        "codecs": ["bytes", "zstd", "crc32c"],
        "dimension_names": list(names),
    }


def _coordinate_of(known: dict[str, npt.NDArray[np.int64]], times: npt.NDArray[np.int64]) -> str | None:
    for name, steps in known.items():
        if np.array_equal(steps, times):
            return name
    return None


def _check_distinct(arrays: Sequence[StoredArray]) -> None:
    seen: dict[str, str] = {}
    for array in arrays:
        key = array.disk_name.lower()
        if key in seen:
            message = f"arrays {seen[key]!r} and {array.name!r} would be the same file on disk; rename one"
            raise ConfigError(message, (("observe", message),))
        seen[key] = array.name


def _check_files(header: Header, arrays: Sequence[StoredArray], free: int | None) -> None:
    files = planned_files(header, arrays)
    if files <= MOST_FILES:
        return
    size = sum(math.prod(array.shape) * np.dtype(array.dtype).itemsize for array in arrays)
    blocks = max(1, int(0.9 * MOST_FILES * header.blocks / files))
    room = "" if free is None else f", {byte_size(free)} free on the disk"
    problem = (
        f"{header.trajectories} in blocks of {header.block_size} would make {files} files "
        f"({byte_size(size)} before compression{room}), at most {MOST_FILES} are allowed; "
        f"block_size = {-(-header.trajectories // blocks)}, a larger store.time_chunk or fewer record times fit"
    )
    message = f"trajectories: {problem}"
    raise ConfigError(message, (("trajectories", problem),))
