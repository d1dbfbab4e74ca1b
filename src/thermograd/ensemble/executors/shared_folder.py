"""Before a worker elsewhere touches a run: it sees the same directory as whoever gave it the block."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thermograd.errors import DamagedRunError, ForeignDirectoryError
from thermograd.store.manifest import Manifest, read_manifest
from thermograd.store.printable import printable

PATIENCE_SECONDS = 60.0
"""Longest time for which a network file system shows what another machine has replaced."""

_LOOK_SECONDS = 0.5
_TURN = threading.Lock()


def train_shared(
    run_id: str, train: Callable[[str, int, int], Any], run: str, block: int, generation: int
) -> Any:
    """`train(run, block, generation)`, if `run` is here what it is where the block was given out.

    Threads of one process wait for each other: one block at a time.

    Args:
        run_id: of the run that is meant.
        train: trains the block.
        run: path of the run directory.
        block: which block.
        generation: the start of the run that gave it out.

    Returns:
        What `train` returns.

    Raises:
        ForeignDirectoryError: this machine sees nothing there, or another run.
    """
    with _TURN:
        check_shared(Path(run), run_id, generation)
        return train(run, block, generation)


def check_shared(run: Path, run_id: str, generation: int, patience: float = PATIENCE_SECONDS) -> None:
    """Wait until this machine sees the run at least as new as the start that gave out a block.

    Args:
        run: path of the run directory.
        run_id: what its manifest should say.
        generation: likewise; later is fine here, since a block of an old start leaves by itself.
        patience: seconds after which it is an error.

    Raises:
        ForeignDirectoryError: it does not.
    """
    deadline = time.monotonic() + patience
    while True:
        manifest = _seen(run)
        if manifest is not None and manifest.run_id != run_id:
            raise ForeignDirectoryError(_another(run, manifest.run_id, run_id))
        if manifest is not None and manifest.generation >= generation:
            return
        if time.monotonic() >= deadline:
            raise ForeignDirectoryError(_unseen(run, manifest, generation, patience))
        time.sleep(min(_LOOK_SECONDS, patience))


def _seen(run: Path) -> Manifest | None:
    with contextlib.suppress(OSError):
        os.listdir(run)  # a network file system looks again when a folder is opened
    try:
        return read_manifest(run)
    except (ForeignDirectoryError, DamagedRunError):
        return None


def _another(run: Path, found: str, meant: str) -> str:
    return (
        f"{_worker()} sees another run at {printable(run)} (run_id {found}) than the coordinator (run_id "
        f"{meant}). Coordinator and workers need one shared file system: put the run where all of them see it"
    )


def _unseen(run: Path, manifest: Manifest | None, generation: int, patience: float) -> str:
    if manifest is None:
        what = f"sees no run at {printable(run)}"
    else:
        what = f"still sees start number {manifest.generation} of {printable(run)}, not {generation},"
    return (
        f"{_worker()} {what} after {patience:g} s. Coordinator and workers need one shared file system: put "
        "the run where all of them see it, under the same path"
    )


def _worker() -> str:
    return f"the worker with pid {os.getpid()} on host {socket.gethostname()}"
