"""Making a run directory: all of it appears at once under its name, or nothing does."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import time
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import thermograd
from thermograd.ensemble.environment import environment
from thermograd.ensemble.identity import Description
from thermograd.ensemble.toml_text import toml_text
from thermograd.errors import ForeignDirectoryError, RunInUseError
from thermograd.store import lock
from thermograd.store.atomic_file import flush_folder, make_folder, write_atomically
from thermograd.store.disk_space import keep_reserve
from thermograd.store.events import append_event
from thermograd.store.layout import Header
from thermograd.store.manifest import Manifest, write_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.printable import printable
from thermograd.store.stored_array import stored_arrays
from thermograd.store.zarr_group import create_group, discard

EXPERIMENT = "experiment.toml"
LARGEST_EXPERIMENT = 16 * 2**20
_ABANDONED_SECONDS = 3600.0


def new_manifest(
    header: Header, description: Description, options: StoreOptions, notes: tuple[str, ...]
) -> Manifest:
    """The manifest of a run that has not begun.

    Raises:
        ConfigError: its arrays cannot be stored.
    """
    return Manifest(
        run_id=uuid.uuid4().hex,
        name=header.name,
        state="created",
        identity=description.identity,
        experiment=description.content,
        python_objects=description.python_objects,
        seed=header.seed,
        trajectories=header.trajectories,
        steps=header.steps,
        steps_per_epoch=header.steps_per_epoch,
        block_size=header.block_size,
        blocks=header.blocks,
        arrays=stored_arrays(header, options.time_chunk),
        engine=header.engine,
        reason=header.reason,
        dtype=next((spec.dtype for spec in header.arrays if spec.name.startswith("weights/")), "float64"),
        thermograd_version=thermograd.__version__,
        time_chunk=options.time_chunk,
        checkpoint_seconds=float(options.checkpoint_seconds),
        fsync=options.fsync,
        environment=environment(),
        boot_id=lock.boot_id(),
        imports=description.imports,
        notes=notes,
    )


def experiment_text(manifest: Manifest) -> str:
    """`experiment.toml`: the canonical config of a run, which can be run again, and which run that is."""
    store: dict[str, Any] = {
        "time_chunk": manifest.time_chunk,
        "checkpoint_seconds": manifest.checkpoint_seconds,
        "fsync": manifest.fsync,
    }
    content = {"name": manifest.name, **manifest.experiment, "store": store, "executor": {"kind": "inline"}}
    return f"# run_id = {manifest.run_id}, identity = {manifest.identity}\n{toml_text(content)}"


@contextlib.contextmanager
def created(run: Path, header: Header, manifest: Manifest) -> Generator[None]:
    """Make a run directory and own it.

    It is built beside its place and renamed there, so that a kill leaves either no run or a whole one.

    Args:
        run: where; nothing, or an empty folder.
        header: what is recorded.
        manifest: what it says about itself.

    Yields:
        Nothing; the lock is held until the end.

    Raises:
        ForeignDirectoryError: something else is there.
        RunInUseError: somebody else made a run there meanwhile.
        OSError: the disk refuses; nothing is left behind.
    """
    make_folder(run.parent)
    _sweep(run)
    place = run.parent / f".{run.name}.creating-{manifest.run_id}"
    try:
        place.mkdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(run)) from error  # nobody knows that other name
    try:
        with lock.hold(place):
            _fill(place, header, manifest)
            _rename(place, run)
            yield
    finally:
        discard(place)


def _fill(place: Path, header: Header, manifest: Manifest) -> None:
    try:
        _write_parts(place, header, manifest)
    except FileNotFoundError as error:
        if place.exists():
            raise
        # swept between the making of its lock file and the locking, by a process that began in between
        message = (
            f"a run beside {printable(place)} was begun by another process at the same moment; try again"
        )
        raise RunInUseError(message) from error


def _write_parts(place: Path, header: Header, manifest: Manifest) -> None:
    keep_reserve(place)
    write_atomically(place / EXPERIMENT, experiment_text(manifest).encode())
    create_group(place, header, manifest)
    (place / "blocks").mkdir()
    append_event(place, "created", run_id=manifest.run_id, trajectories=manifest.trajectories)
    write_manifest(place, manifest)


def _rename(place: Path, run: Path) -> None:
    try:
        os.rename(place, run)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST} and (run / "manifest.json").exists():
            message = f"{printable(run)} was made by another process at the same moment"
            raise RunInUseError(message) from error
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            message = f"{printable(run)} is there already and is not a run of thermograd; nothing was touched"
            raise ForeignDirectoryError(message) from error
        raise
    flush_folder(run.parent)


def _sweep(run: Path) -> None:
    """Remove what killed creations of this run left behind."""
    for left in run.parent.glob(f".{glob.escape(run.name)}.creating-*"):
        with contextlib.suppress(OSError, RunInUseError):
            if not (left / lock.FILE).exists():
                if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(left)
                continue
            with lock.hold_briefly(left):
                shutil.rmtree(left)
