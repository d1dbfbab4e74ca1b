"""`manifest.json`: what a run directory holds. Read without torch and without zarr."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thermograd.errors import DamagedRunError, ForeignDirectoryError, NewerFormatError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.printable import printable
from thermograd.store.stored_array import StoredArray, check_name

FILE = "manifest.json"
FORMAT = "thermograd-run"
FORMAT_VERSION = 1
STATES = ("created", "running", "interrupted", "failed", "finished")
_LARGEST_FILE = 16 * 2**20
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
        notes: what a reader of the numbers should know.
        thermograd_version: version that made it.
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
    notes: tuple[str, ...] = ()

    def replace(self, **changes: Any) -> Manifest:
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The text of the file, with a checksum over everything else."""
        content = dataclasses.asdict(self)
        content["arrays"] = {entry.pop("name"): entry for entry in content["arrays"]}
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **content}
        return (
            json.dumps({**content, "checksum": _canonical_checksum(content)}, indent=1, ensure_ascii=True)
            + "\n"
        )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace `manifest.json` atomically."""
    write_atomically(folder / FILE, manifest.to_json().encode("ascii"))


def read_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json`.

    Args:
        folder: the run directory.

    Returns:
        The manifest; nothing in it has been trusted for an allocation.

    Raises:
        ForeignDirectoryError: the folder is not a run; says what it looks like.
        NewerFormatError: written by a later format.
        DamagedRunError: the file cannot be read or was changed.
    """
    content = _json_content(folder)
    _check_ours(folder, content)
    return _manifest(folder, content)


def _json_content(folder: Path) -> Any:
    text = _file_text(folder)
    try:
        return json.loads(text)
    except ValueError as error:
        raise _damaged(folder, f"is not JSON ({printable(error)})") from error
    except RecursionError as error:
        raise _damaged(folder, "is nested too deeply") from error


def _check_ours(folder: Path, content: Any) -> None:
    """Ours, whole, and of a format we know."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        looks = (
            "has another 'format'" if isinstance(content, dict) and "format" in content else "has no 'format'"
        )
        if isinstance(content, dict) and {"run_id", "identity", "checksum"} <= set(content):
            raise _damaged(folder, f"{looks} than {FORMAT!r}")
        message = f"{printable(folder)} is not a run of thermograd: its manifest.json {looks} of ours"
        raise ForeignDirectoryError(message)
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION and _intact(content):
        message = (
            f"{printable(folder)} has run format {version}, this thermograd reads up to {FORMAT_VERSION}; "
            "upgrade: pip install --upgrade 'thermograd[lab]'"
        )
        raise NewerFormatError(message)
    if not _intact(content):
        raise _damaged(folder, "was changed since it was written: its checksum differs")


def _file_text(folder: Path) -> str:
    file = folder / FILE
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _foreign(folder) from error
    if len(raw) > _LARGEST_FILE:
        raise _damaged(folder, f"is larger than {_LARGEST_FILE // 2**20} MiB")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(folder, "is not UTF-8") from error


def _foreign(folder: Path) -> ForeignDirectoryError | DamagedRunError:
    shown = printable(folder)
    if not folder.exists():
        return ForeignDirectoryError(
            f"{shown} does not exist; a run directory is made by: thermograd run CONFIG"
        )
    if not folder.is_dir():
        return ForeignDirectoryError(
            f"{shown} is a file, not a run directory; recorded logs are read by thermograd.store.trajectories.load_trajectories"
        )
    if (folder / "experiment.toml").is_file() and (folder / "trajectories.zarr").is_dir():
        return _damaged(folder, "is gone")
    names = sorted(entry.name for entry in folder.iterdir())[:5]
    zarr = (folder / "zarr.json").is_file() or any(name.endswith(".zarr") for name in names)
    looks = (
        "a zarr store without a manifest"
        if zarr
        else ("an empty folder" if not names else f"a folder with {', '.join(map(printable, names))}")
    )
    return ForeignDirectoryError(
        f"{shown} is not a run of thermograd: it looks like {looks}; "
        "recorded logs of other tools are read by thermograd.store.trajectories.load_trajectories"
    )


def _damaged(folder: Path, why: str) -> DamagedRunError:
    message = (
        f"{printable(folder / FILE)} {why}. It can be rebuilt from experiment.toml and the arrays: "
        f"thermograd resume {printable(folder)} --repair"
    )
    return DamagedRunError(message, (FILE,))


def _canonical_checksum(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _intact(content: dict[str, Any]) -> bool:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return content.get("checksum") == _canonical_checksum(rest)


def _manifest(folder: Path, content: dict[str, Any]) -> Manifest:
    """Types, ranges and names checked; the checksum only guards against accidents, not against malice."""
    kinds = typing.get_type_hints(Manifest)
    values = {}
    for entry in dataclasses.fields(Manifest):
        if entry.name not in content:
            raise _damaged(folder, f"has no field {entry.name!r}")
        value = content[entry.name]
        values[entry.name] = (
            value if entry.name == "arrays" else _checked(folder, entry.name, value, kinds[entry.name])
        )
    values["arrays"] = _arrays(folder, values["arrays"])
    manifest = Manifest(**values)
    if (
        manifest.state not in STATES
        or min(manifest.trajectories, manifest.steps_per_epoch, manifest.block_size) < 1
    ):
        raise _damaged(folder, "holds an impossible state, size or count")
    blocks = -(-manifest.trajectories // manifest.block_size)
    if manifest.steps < 0 or manifest.blocks != blocks or manifest.trajectories > 2**40:
        raise _damaged(folder, "holds an impossible number of steps, blocks or trajectories")
    for array in manifest.arrays:
        _check_array(folder, manifest, array)
    return manifest


def _checked(folder: Path, name: str, value: Any, kind: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
    elif kind == (int | str):
        if value == "auto" or (isinstance(value, int) and not isinstance(value, bool)):
            return value
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif typing.get_origin(kind) is dict:
        if isinstance(value, dict):
            return value
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _damaged(folder, f"holds {printable(repr(value)[:60])} for {name!r}")


def _arrays(folder: Path, content: Any) -> tuple[StoredArray, ...]:
    if not isinstance(content, dict):
        raise _damaged(folder, "holds no table of arrays")
    arrays = []
    for name, entry in content.items():
        try:
            shape, chunks = (tuple(map(_size, entry[key])) for key in ("shape", "chunks"))
            arrays.append(StoredArray(name, shape, str(entry["dtype"]), chunks, str(entry["time"])))
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(
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
        raise _damaged(folder, f"is refused: {printable(problem)}")
    wide = min(manifest.block_size, manifest.trajectories)
    fits = (
        array.dtype in _DTYPES
        and 2 <= len(array.shape) <= 16
        and len(array.shape) == len(array.chunks)
        and array.shape[0] == manifest.trajectories
        and array.chunks[0] == wide
        and array.chunks[1] >= 1
        and array.chunks[2:] == array.shape[2:]
        and (array.time == "time" or array.time.removeprefix("time_").isdecimal())
    )
    if not fits:
        raise _damaged(
            folder, f"describes the array {printable(array.name)!r} with an impossible shape, dtype or time"
        )
