"""Before a run goes on: nothing half-written is left, and everything it builds on can be trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.ensemble.directory_creation import EXPERIMENT, LARGEST_EXPERIMENT, experiment_text
from thermograd.errors import DamagedRunError, ExperimentMismatchError, OlderFormatError
from thermograd.store import manifest_file
from thermograd.store.block_progress import FILE as PROGRESS
from thermograd.store.chunks import Damage, damaged, read_chunk, read_rows, trusted_chunks
from thermograd.store.layout import Header
from thermograd.store.manifest import Manifest
from thermograd.store.printable import printable
from thermograd.store.run_file import read_run_file, refuse_links_out
from thermograd.store.stored_array import coordinates, stored_arrays
from thermograd.store.zarr_group import described_arrays, open_array, open_group


def refuse_older_format(run: Path, format_version: int, thermograd_version: str = "") -> None:
    """Go on with runs of this format only: nothing is rewritten in place.

    Raises:
        OlderFormatError: both versions, and what to do.
    """
    now = manifest_file.FORMAT_VERSION
    if format_version >= now:
        return
    install = (
        f": pip install 'thermograd[lab]=={printable(thermograd_version)}'" if thermograd_version else ""
    )
    message = (
        f"{printable(run)} has run format {format_version}, this thermograd writes {now}: its numbers can be read, "
        f"but only the version that made it can go on with it{install}. "
        f"Or run it anew: thermograd run {printable(run / EXPERIMENT)}"
    )
    raise OlderFormatError(message)


def sweep_leftovers(run: Path) -> None:
    """Remove what a kill left of files that were never finished."""
    for folder in (run, run / "blocks", run / "trajectories.zarr"):
        found = folder.glob("*") if folder == run else folder.rglob("*")
        for file in found:
            left = file.suffix in {".tmp", ".partial"} or file.name.startswith(".clock-")
            if left or file.name == PROGRESS:
                with contextlib.suppress(FileNotFoundError):
                    file.unlink()


def check_resumable(run: Path, manifest: Manifest, header: Header, *, everything: bool) -> None:
    """Refuse to build on what cannot be trusted.

    Checked: the format is this one; no link leaves the run; `experiment.toml` is as written; the arrays are those
    this version would record; coordinates and bookkeeping; and every committed chunk of the unfinished blocks, or
    of all.

    Args:
        run: the run directory.
        manifest: its manifest.
        header: what the experiment records.
        everything: check finished blocks too.

    Raises:
        DamagedRunError: names what cannot be trusted.
        ExperimentMismatchError: this version of thermograd records other arrays.
        OlderFormatError: an earlier version of thermograd wrote it, in another format.
    """
    refuse_older_format(run, manifest.format_version, manifest.thermograd_version)
    refuse_links_out(run)
    if stored_arrays(header, manifest.time_chunk) != manifest.arrays:
        message = (
            f"{printable(run)} holds other arrays than this version of thermograd records for its experiment"
        )
        raise ExperimentMismatchError(message)
    if not experiment_intact(run, manifest):
        message = (
            f"{EXPERIMENT} in {printable(run)} was changed. It is the record of what was run, not an input; "
            f"start a new run for a new experiment, or restore it with: thermograd resume {printable(run)} --repair"
        )
        raise DamagedRunError(message, (EXPERIMENT,))
    arrays = open_arrays(run, manifest, header)
    found = [*fixed_damage(run, manifest, header, arrays)]
    if found:
        error = damaged(run, found, len(found))
        raise error
    committed = arrays["committed"][...]
    unfinished = (
        block for block in range(manifest.blocks) if everything or committed[block] < manifest.steps
    )
    for block in unfinished:
        found += block_damage(run, manifest, header, arrays, block, int(committed[block]))
    if found:
        error = damaged(run, found, sum(array.files for array in manifest.arrays))
        raise error


def experiment_intact(run: Path, manifest: Manifest) -> bool:
    """Whether `experiment.toml` is what was written."""
    try:
        written = read_run_file(run, run / EXPERIMENT, LARGEST_EXPERIMENT)
    except (OSError, DamagedRunError):
        return False
    return written == experiment_text(manifest).encode()


def open_arrays(run: Path, manifest: Manifest, header: Header) -> dict[str, Any]:
    """All arrays of a run by name on disk, their metadata checked.

    Raises:
        DamagedRunError: metadata lost or different.
    """
    root = open_group(run)
    described = described_arrays(manifest, coordinates(header))
    return {name: open_array(run, root, name, entry) for name, entry in described.items()}


def fixed_damage(run: Path, manifest: Manifest, header: Header, arrays: dict[str, Any]) -> Iterator[Damage]:
    """What is wrong with coordinates and bookkeeping."""
    expected: dict[str, npt.NDArray[np.int64]] = {
        **coordinates(header),
        "trajectory": np.arange(manifest.trajectories, dtype=np.int64),
    }
    for name, values in expected.items():
        chunk = read_chunk(run, arrays[name], name, (0,))
        if isinstance(chunk, Damage):
            yield chunk
        elif not np.array_equal(chunk, values):
            yield Damage(f"trajectories.zarr/{name}", name, 0, "damaged")
    for name in ("outcome", "diverged_at", "committed"):
        try:
            read_rows(run, arrays[name], name, range(arrays[name].shape[0]), 0)
            continue
        except DamagedRunError:
            pass  # which of them?
        for block in range(manifest.blocks):
            chunk = read_chunk(run, arrays[name], name, (block,))
            if isinstance(chunk, Damage):
                yield chunk


def block_damage(
    run: Path, manifest: Manifest, header: Header, arrays: dict[str, Any], block: int, committed: int
) -> Iterator[Damage]:
    """Committed chunks of one block that cannot be read."""
    for array in manifest.arrays:
        records = int(np.searchsorted(header.array(array.name).times, committed, side="right"))
        for index in trusted_chunks(array.chunks, array.shape, block, records):
            chunk = read_chunk(run, arrays[array.disk_name], array.disk_name, index)
            if isinstance(chunk, Damage):
                yield chunk
