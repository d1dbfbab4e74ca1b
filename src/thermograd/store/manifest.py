"""`manifest.json`: what a run directory holds. Read without torch and without zarr."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thermograd.store import manifest_file
from thermograd.store.atomic_file import write_atomically
from thermograd.store.manifest_file import damaged_manifest, manifest_text, read_content
from thermograd.store.printable import printable
from thermograd.store.stored_array import StoredArray, check_name

FILE = manifest_file.FILE
STATES = ("created", "running", "interrupted", "failed", "finished")
_LARGEST = 2**62
_TIME = re.compile(r"time(_[1-9][0-9]{0,5})?")
_DTYPES = {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}


@dataclass(frozen=True)
class Manifest:
    """Everything about a run but its numbers.

    Attributes:
        run_id: drawn when the run was made.
        name: name of the experiment.
        state: one of `STATES`.
        identity: SHA-256 of the canonical JSON of the experiment.
        experiment: its canonical form, defaults written.
        python_objects: dotted paths of what no text can name; such a run is resumed with `experiment=`.
        seed: seed of the experiment.
        trajectories: number of trajectories.
        steps: optimiser steps of the whole experiment.
        steps_per_epoch: optimiser steps in one epoch.
        block_size: trajectories per block.
        blocks: number of blocks.
        time_chunk: records per chunk as asked for, a number or "auto".
        checkpoint_seconds: longest time between two commits of a block.
        fsync: whether every chunk is flushed to the disk.
        arrays: the recorded arrays.
        engine: engine that runs it.
        reason: why that engine.
        dtype: floating type of the weights.
        threads_per_worker: threads inside one operation.
        environment: versions and processor at the first start.
        boot_id: which boot of the machine the last start was on.
        generation: how many times the run was started.
        imports: modules of a config's `module:attribute` kinds.
        commands: command lines that started or resumed it.
        executor: words of a command line that choose who trains the blocks, as at the last start; empty for `inline`.
        notes: what a reader of the numbers should know.
        thermograd_version: version that made it.
        format_version: format of the files on the disk, whatever format the fields here are in.
    """

    run_id: str
    name: str
    state: str
    identity: str
    experiment: dict[str, Any]
    seed: int
    trajectories: int
    steps: int
    steps_per_epoch: int
    block_size: int
    blocks: int
    arrays: tuple[StoredArray, ...]
    engine: str
    reason: str
    dtype: str
    thermograd_version: str
    time_chunk: int | str = "auto"
    checkpoint_seconds: float = 60.0
    fsync: bool = False
    threads_per_worker: int = 1
    generation: int = 0
    python_objects: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    boot_id: str = ""
    imports: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    executor: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    format_version: int = manifest_file.FORMAT_VERSION

    def replace(self, **changes: Any) -> Manifest:
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The text of the file, with a checksum over everything else."""
        content = {"format_version": self.format_version, **dataclasses.asdict(self)}
        content["arrays"] = {entry.pop("name"): entry for entry in content["arrays"]}
        return manifest_text(content)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace `manifest.json` atomically.

    Raises:
        ValueError: the run is of another format: nothing is rewritten in place.
        OSError: the disk refuses.
    """
    if manifest.format_version != manifest_file.FORMAT_VERSION:
        message = f"{folder} has run format {manifest.format_version}, which is read but never written"
        raise ValueError(message)
    write_atomically(folder / FILE, manifest.to_json().encode("ascii"))


def read_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json`, of this format or of an earlier one.

    Args:
        folder: the run directory.

    Returns:
        The manifest; nothing in it has been trusted for an allocation.

    Raises:
        ForeignDirectoryError: the folder is not a run; says what it looks like.
        NewerFormatError: written by a later format.
        DamagedRunError: the file cannot be read or was changed.
    """
    return _manifest(folder, read_content(folder))


def _manifest(folder: Path, content: dict[str, Any]) -> Manifest:
    """Types, ranges and names checked; the checksum only guards against accidents, not against malice."""
    kinds = typing.get_type_hints(Manifest)
    values = {}
    for entry in dataclasses.fields(Manifest):
        if entry.name in content:
            value = content[entry.name]
            whole = entry.name == "arrays"
            values[entry.name] = value if whole else _checked(folder, entry.name, value, kinds[entry.name])
        elif entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            # what has a default came later, and the format did not change for it
            raise damaged_manifest(folder, f"has no field {entry.name!r}")
    values["arrays"] = _arrays(folder, values["arrays"])
    manifest = Manifest(**values)
    if not _possible(manifest):
        raise damaged_manifest(folder, "holds an impossible state, size or count")
    blocks = -(-manifest.trajectories // manifest.block_size)
    if manifest.steps < 0 or manifest.blocks != blocks or manifest.trajectories > 2**40:
        raise damaged_manifest(folder, "holds an impossible number of steps, blocks or trajectories")
    for array in manifest.arrays:
        _check_array(folder, manifest, array)
    if len({array.disk_name for array in manifest.arrays}) < len(manifest.arrays):
        raise damaged_manifest(folder, "describes two arrays that would be the same file")
    return manifest


def _possible(manifest: Manifest) -> bool:
    """Whether state, counts and options are some that a run can have."""
    positive = (manifest.trajectories, manifest.steps_per_epoch, manifest.block_size)
    at_least_one = (
        *positive,
        manifest.threads_per_worker,
        1 if manifest.time_chunk == "auto" else manifest.time_chunk,
    )
    return (
        manifest.state in STATES
        and all(isinstance(number, int) and number >= 1 for number in at_least_one)
        and manifest.generation >= 0
        and math.isfinite(manifest.checkpoint_seconds)
        and manifest.checkpoint_seconds >= 0
    )


def _checked(folder: Path, name: str, value: Any, kind: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
    elif kind == (int | str):
        if value == "auto" or _is_number(value):
            return value
    elif kind is float:
        if isinstance(value, float) or _is_number(value):
            return float(value)
    elif typing.get_origin(kind) is dict:
        texts = typing.get_args(kind)[1] is str
        if isinstance(value, dict) and (not texts or all(isinstance(entry, str) for entry in value.values())):
            return value
    elif kind is int:
        if _is_number(value):
            return value
    elif isinstance(value, kind):
        return value
    raise damaged_manifest(folder, f"holds {printable(repr(value)[:60])} for {name!r}")


def _is_number(value: Any) -> bool:
    """A whole number that 64 bits hold."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**64


def _arrays(folder: Path, content: Any) -> tuple[StoredArray, ...]:
    if not isinstance(content, dict):
        raise damaged_manifest(folder, "holds no table of arrays")
    arrays = []
    for name, entry in content.items():
        try:
            shape, chunks = (tuple(map(_size, entry[key])) for key in ("shape", "chunks"))
            arrays.append(StoredArray(name, shape, str(entry["dtype"]), chunks, str(entry["time"])))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged_manifest(
                folder, f"describes the array {printable(name)!r} in a way that cannot be read"
            ) from error
    return tuple(arrays)


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**48:
        raise ValueError(value)
    return value


def _check_array(folder: Path, manifest: Manifest, array: StoredArray) -> None:
    problem = check_name(array.name)
    if problem:
        raise damaged_manifest(folder, f"is refused: {printable(problem)}")
    wide = min(manifest.block_size, manifest.trajectories)
    fits = (
        array.dtype in _DTYPES
        and 2 <= len(array.shape) <= 16
        and len(array.shape) == len(array.chunks)
        and array.shape[0] == manifest.trajectories
        and array.chunks[0] == wide
        and 1 <= array.chunks[1] <= max(1, array.shape[1])
        and array.chunks[2:] == array.shape[2:]
        and math.prod(array.shape) * 8 < _LARGEST
        and _TIME.fullmatch(array.time) is not None
    )
    if not fits:
        raise damaged_manifest(
            folder, f"describes the array {printable(array.name)!r} with an impossible shape, dtype or time"
        )
