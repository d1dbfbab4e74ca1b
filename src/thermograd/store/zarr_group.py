"""`trajectories.zarr`: making the group, and checking that what lies there is what the manifest says."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError, MissingExtraError
from thermograd.store.flushed_store import flushed_store
from thermograd.store.layout import PENDING, Header
from thermograd.store.manifest import Manifest
from thermograd.store.printable import excerpt, printable
from thermograd.store.run_file import read_run_file, refuse_escape
from thermograd.store.stored_array import array_metadata, coordinates, metadata

GROUP = "trajectories.zarr"
LARGEST_METADATA = 2**20
_PATIENCE = 10.0
Array = npt.NDArray[Any]


def zarr_module() -> Any:
    """The zarr package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import zarr
    except ImportError as absent:
        raise MissingExtraError(package="zarr", extra="lab", purpose="A run directory") from absent
    return zarr


def create_group(run: Path, header: Header, manifest: Manifest) -> None:
    """Make the group with its coordinates, bookkeeping arrays and empty observables.

    Every chunk of the coordinates and of the bookkeeping is written, so that a lost one is noticed.
    """
    zarr = zarr_module()
    root = zarr.create_group(_place(run, fsync=manifest.fsync), attributes=group_attributes(manifest))
    if any(array.disk_name.startswith("weights/") for array in manifest.arrays):
        root.create_group("weights")
    for name, values in fixed_arrays(header, manifest).items():
        write_fixed(root, name, values, bookkeeping(manifest, coordinates(header))[name])
    for array in manifest.arrays:
        create_array(root, array.disk_name, metadata(array))


def group_attributes(manifest: Manifest) -> dict[str, Any]:
    """Attributes of the group."""
    return {
        "format_version": manifest.format_version,
        "run_id": manifest.run_id,
        "name": manifest.name,
        "steps_per_epoch": manifest.steps_per_epoch,
    }


def fixed_arrays(header: Header, manifest: Manifest) -> dict[str, Array]:
    """Coordinates, and the bookkeeping of a run that has not begun."""
    return {
        **coordinates(header),
        "trajectory": np.arange(manifest.trajectories, dtype=np.int64),
        "outcome": np.full(manifest.trajectories, PENDING, np.uint8),
        "diverged_at": np.full(manifest.trajectories, -1, np.int64),
        "committed": np.full(manifest.blocks, -1, np.int64),
    }


def bookkeeping(manifest: Manifest, times: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Metadata of every array that is not an observable, by name; `times` by coordinate name."""
    wide = (min(manifest.block_size, manifest.trajectories),)
    ensemble = (manifest.trajectories,)
    described = {
        name: array_metadata((len(steps),), "int64", (max(1, len(steps)),), -1, (name,))
        for name, steps in times.items()
    }
    described["trajectory"] = array_metadata(ensemble, "int64", ensemble, -1, ("trajectory",))
    described["outcome"] = array_metadata(ensemble, "uint8", wide, PENDING, ("trajectory",))
    described["diverged_at"] = array_metadata(ensemble, "int64", wide, -1, ("trajectory",))
    described["committed"] = array_metadata((manifest.blocks,), "int64", (1,), -1, ("block",))
    return described


def create_array(root: Any, name: str, described: Mapping[str, Any]) -> Any:
    """Make one array, without any chunk."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    fill = described["fill_value"]
    return root.create_array(
        name,
        shape=tuple(described["shape"]),
        chunks=tuple(described["chunk_grid"]["configuration"]["chunk_shape"]),
        dtype=described["data_type"],
        fill_value=math.nan if fill == "NaN" else fill,
        dimension_names=tuple(described["dimension_names"]),
        compressors=[ZstdCodec(level=3), Crc32cCodec()],
        config={"write_empty_chunks": True},
    )


def write_fixed(root: Any, name: str, values: Array, described: Mapping[str, Any]) -> None:
    """Make one array and write all of it."""
    create_array(root, name, described)[...] = values


def open_group(run: Path, *, write: bool = False, fsync: bool = False) -> Any:
    """The group.

    Args:
        run: the run directory.
        write: whether to write to it.
        fsync: whether what is written is to survive a power cut.

    Raises:
        DamagedRunError: it cannot be opened.
    """
    zarr = zarr_module()
    folder = run / GROUP
    refuse_escape(run, folder)
    try:
        read_run_file(run, folder / "zarr.json", LARGEST_METADATA)  # before zarr reads it, whatever it is
        return zarr.open_group(_place(run, fsync=fsync), mode="r+" if write else "r", zarr_format=3)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{GROUP}/zarr.json cannot be read; recover with: thermograd resume {printable(run)} --repair"
        )
        raise DamagedRunError(message, (f"{GROUP}/zarr.json",)) from error


def discard(folder: Path) -> None:
    """Remove a folder in which a write has failed, as far as the disk lets it.

    Zarr writes chunks at once and tells of the first that fails; the others are still under way, and would make their
    folders again. They are waited for.
    """
    if folder.exists():
        if "zarr.core.sync" in sys.modules:  # else there is nobody who writes
            sys.modules["zarr.core.sync"].sync(_others_end())
        shutil.rmtree(folder, ignore_errors=True)


async def _others_end() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)


def _place(run: Path, *, fsync: bool) -> Any:
    """What zarr writes to."""
    return flushed_store(run / GROUP) if fsync else run / GROUP


def open_array(run: Path, root: Any, name: str, described: Mapping[str, Any]) -> Any:
    """One array, refused before anything is allocated unless its metadata are those of the manifest.

    Raises:
        DamagedRunError: metadata lost or different.
    """
    refuse_escape(run, run / GROUP / name)
    why = metadata_fault(run, name, described)
    if why is None:
        try:
            # what zarr drops when it is all NaN cannot be told from what was lost
            with zarr_module().config.set({"array.write_empty_chunks": True}):
                return root[name]
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"cannot be opened ({type(error).__name__})"
    file = f"{GROUP}/{name}/zarr.json"
    message = f"{file} {why}; recover with: thermograd resume {printable(run)} --repair"
    raise DamagedRunError(message, (file,))


def metadata_fault(run: Path, name: str, described: Mapping[str, Any]) -> str | None:
    """What is wrong with the `zarr.json` of an array, None if nothing is."""
    try:
        found = json.loads(read_run_file(run, run / GROUP / name / "zarr.json", LARGEST_METADATA))
        endian = found["codecs"][0].get("configuration", {}).get("endian", "little")
        found["codecs"] = [codec["name"] for codec in found["codecs"]]
    except OSError:
        return "is gone"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return "cannot be read"
    for key, value in described.items():
        if found.get(key) != value:
            return f"says {key} = {excerpt(found.get(key), 80)}, the manifest {excerpt(value, 80)}"
    return None if endian == "little" else f"says endian = {excerpt(endian, 80)}"


def described_arrays(manifest: Manifest, times: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Metadata of every array of a run, by name on disk."""
    observables: dict[str, dict[str, Any]] = {array.disk_name: metadata(array) for array in manifest.arrays}
    return {**bookkeeping(manifest, times), **observables}
