"""Repair by recomputation: what cannot be trusted is forgotten, and made again to the same bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thermograd.ensemble.directory_creation import EXPERIMENT, experiment_text
from thermograd.ensemble.identity import Description
from thermograd.ensemble.resume_checks import (
    block_damage,
    experiment_intact,
    fixed_damage,
    open_arrays,
    refuse_older_format,
    sweep_leftovers,
)
from thermograd.ensemble.run_remains import found_remains
from thermograd.errors import DamagedRunError
from thermograd.store.atomic_file import make_folder, write_atomically
from thermograd.store.checkpoint_file import read_checkpoint
from thermograd.store.chunks import chunk_file
from thermograd.store.events import append_event, read_events
from thermograd.store.layout import Header
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.manifest import Manifest, read_manifest, write_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.run_file import refuse_links_out
from thermograd.store.stored_array import coordinates
from thermograd.store.writer import DirectoryStorage
from thermograd.store.zarr_group import (
    GROUP,
    create_group,
    described_arrays,
    group_attributes,
    metadata_fault,
    zarr_module,
)


def repair_run(
    run: Path, header: Header, description: Description, fresh: Callable[[StoreOptions], Manifest]
) -> tuple[str, ...]:
    """Make a run directory whole; blocks whose files cannot be trusted are reset, to be computed anew.

    Args:
        run: the run directory, its lock held.
        header: what the experiment records.
        description: the experiment.
        fresh: a manifest for it, used when the one there cannot be read.

    Returns:
        What was done, one line each.

    Raises:
        ForeignDirectoryError: the folder is not a run.
        NewerFormatError: a later version wrote it.
        OlderFormatError: an earlier version wrote it.
        ExperimentMismatchError: the manifest is lost, and what is left is of another experiment.
        DamagedRunError: a link leaves the run.
    """
    refuse_links_out(run)
    done: list[str] = []
    manifest, known = _manifest(run, description, fresh, done)
    if manifest.identity != description.identity:
        return ()  # the caller refuses it
    sweep_leftovers(run)
    if not experiment_intact(run, manifest):
        write_atomically(run / EXPERIMENT, experiment_text(manifest).encode())
        done.append(EXPERIMENT)
    _restore_metadata(run, header, manifest, done)
    resets = _restore_fixed(run, header, manifest, done)
    storage = DirectoryStorage(run, manifest, header)
    resets |= (
        _untrusted_blocks(run, header, manifest, storage, resets) if known else set(range(manifest.blocks))
    )
    for block in sorted(resets):
        storage.reset(block)
        done.append(f"block {block} is computed anew")
    if done:
        write_manifest(run, manifest.replace(state="interrupted"))
        append_event(run, "repaired", what=done[:50])
    return tuple(done)


def _manifest(
    run: Path, description: Description, fresh: Callable[[StoreOptions], Manifest], done: list[str]
) -> tuple[Manifest, bool]:
    """The manifest, rebuilt if it cannot be read, and whether the arrays are known to be of this experiment."""
    try:
        manifest = read_manifest(run)
    except DamagedRunError:
        pass
    else:
        refuse_older_format(run, manifest.format_version, manifest.thermograd_version)
        return manifest, True
    left = found_remains(run)
    known = left.belongs_to(run, description.identity)
    manifest = fresh(left.options)
    if left.run_id:
        manifest = manifest.replace(run_id=left.run_id, name=left.name)
    # no start of the old run may take this manifest for its own
    manifest = manifest.replace(generation=1 + max(_generations(run), default=0), state="interrupted")
    write_manifest(run, manifest)
    done.append(MANIFEST)
    return manifest, known


def _generations(run: Path) -> list[int]:
    return [
        int(event["generation"]) for event in read_events(run) if isinstance(event.get("generation"), int)
    ]


def _restore_metadata(run: Path, header: Header, manifest: Manifest, done: list[str]) -> None:
    """Write every `zarr.json` that is not what it must be."""
    described = described_arrays(manifest, coordinates(header))
    groups = [name for name in ("", "weights") if not _group_intact(run, name, manifest)]
    faulty = [name for name, entry in described.items() if not _opens(run, name, entry)]
    if not faulty and not groups:
        return
    model = run / "repair.tmp"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir()
    create_group(model, header, manifest)
    for name in (*groups, *faulty):
        source = model / GROUP / name / "zarr.json"
        if not source.exists():
            continue
        target = run / GROUP / name / "zarr.json"
        make_folder(target.parent)
        write_atomically(target, source.read_bytes())
        done.append(str(target.relative_to(run)))
    shutil.rmtree(model)


def _opens(run: Path, name: str, described: dict[str, Any]) -> bool:
    """Whether an array says what it must, and zarr understands all that it says."""
    if metadata_fault(run, name, described) is not None:
        return False
    try:
        zarr_module().open_array(run / GROUP / name, mode="r")
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _group_intact(run: Path, name: str, manifest: Manifest) -> bool:
    try:
        found = json.loads((run / GROUP / name / "zarr.json").read_bytes())
        expected = {} if name else group_attributes(manifest)
        return bool((found["zarr_format"], found["node_type"], found["attributes"]) == (3, "group", expected))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _restore_fixed(run: Path, header: Header, manifest: Manifest, done: list[str]) -> set[int]:
    """Rewrite coordinates; the blocks whose bookkeeping is lost are returned."""
    arrays = open_arrays(run, manifest, header)
    resets: set[int] = set()
    for damage in fixed_damage(run, manifest, header, arrays):
        done.append(damage.file)
        if damage.array in {"outcome", "diverged_at", "committed"}:
            resets.add(damage.row)
            continue
        shutil.rmtree(run / GROUP / damage.array / "c", ignore_errors=True)
    if any(not chunk_file(run, name, (0,)).exists() for name in (*coordinates(header), "trajectory")):
        _rewrite_coordinates(run, header, manifest)
    return resets


def _rewrite_coordinates(run: Path, header: Header, manifest: Manifest) -> None:
    model = run / "repair.tmp"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir()
    create_group(model, header, manifest)
    for name in (*coordinates(header), "trajectory"):
        target = chunk_file(run, name, (0,))
        if not target.exists():
            make_folder(target.parent)
            write_atomically(target, chunk_file(model, name, (0,)).read_bytes())
    shutil.rmtree(model)


def _untrusted_blocks(
    run: Path, header: Header, manifest: Manifest, storage: DirectoryStorage, lost: set[int]
) -> set[int]:
    found = set()
    arrays: dict[str, Any] = storage.arrays
    for block in set(range(manifest.blocks)) - lost:
        committed = storage.committed(block)
        damage = list(block_damage(run, manifest, header, arrays, block, committed))
        if damage or not _continues(storage, block, committed):
            found.add(block)
    return found


def _continues(storage: DirectoryStorage, block: int, committed: int) -> bool:
    """Whether an unfinished block can go on from its checkpoint."""
    file = storage.checkpoint_file(block)
    try:
        checkpoint = read_checkpoint(file, storage.manifest.identity)
    except DamagedRunError:
        if storage.finished(block):
            file.unlink()
            return True
        return False
    step = -1 if checkpoint is None else checkpoint.step
    return storage.finished(block) or committed <= step
