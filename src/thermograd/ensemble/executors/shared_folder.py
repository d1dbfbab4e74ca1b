"""Before a worker elsewhere touches a run: it sees the same directory as whoever gave it the block."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from thermograd.ensemble.block_report import FAILED, STALE, BlockReport
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
        What `train` returns, or the report of a worker that sees no such run.
    """
    with _TURN:
        refusal = refused(Path(run), block, run_id, generation)
        return train(run, block, generation) if refusal is None else refusal


def refused(
    run: Path, block: int, run_id: str, generation: int, patience: float = PATIENCE_SECONDS
) -> BlockReport | None:
    """Wait until this machine sees the run at least as new as the start that gave out a block.

    Args:
        run: path of the run directory.
        block: which block.
        run_id: what its manifest should say.
        generation: likewise; later is fine here, since a block of an old start leaves by itself.
        patience: seconds after which it is given up.

    Returns:
        None once it does; else a report that ends the run.
    """
    deadline = time.monotonic() + patience
    while True:
        manifest = _seen(run)
        if manifest is not None and manifest.run_id != run_id:
            return BlockReport(block, FAILED, run_id=manifest.run_id)
        if manifest is not None and manifest.generation >= generation:
            return None
        if time.monotonic() >= deadline:
            return _unseen(BlockReport(block, FAILED), run, manifest, generation, patience)
        time.sleep(min(_LOOK_SECONDS, patience))


def _seen(run: Path) -> Manifest | None:
    with contextlib.suppress(OSError):
        os.listdir(run)  # a network file system looks again when a folder is opened
    try:
        return read_manifest(run)
    except (ForeignDirectoryError, DamagedRunError):
        return None


def _unseen(
    report: BlockReport, run: Path, manifest: Manifest | None, generation: int, patience: float
) -> BlockReport:
    if manifest is None:
        return report.with_error(ForeignDirectoryError(f"there is no run at {printable(run)}"))
    message = (
        f"host {report.host} still sees start number {manifest.generation} of {printable(run)}, not {generation}, after "
        f"{patience:g} s: coordinator and workers need one shared file system"
    )
    return replace(report, outcome=STALE, run_id=manifest.run_id, message=message)
