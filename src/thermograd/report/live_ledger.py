"""How far each block of a run directory is, read anew only where its files have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError
from thermograd.store.chunks import chunk_file, read_rows
from thermograd.store.layout import DIVERGED, FAILED, PENDING, Header
from thermograd.store.manifest import Manifest
from thermograd.store.zarr_group import bookkeeping, open_array, open_group

_MISSING = {"committed": -1, "diverged_at": -1, "outcome": PENDING}


class Ledger:
    """What the blocks of a run have committed.

    Args:
        path: the run directory.
        manifest: its manifest.
        header: what it consists of.

    Attributes:
        committed: `(block,)` last step that may be trusted, -1 for none.
        diverged_at: `(trajectory,)` first non-finite step as far as it is committed, -1 for never.
        changed: wall-clock time in seconds of the last change seen, 0.0 before any.
        damage: what could not be read, one sentence each.

    Raises:
        DamagedRunError: an array of the bookkeeping cannot be opened.
    """

    def __init__(self, path: Path, manifest: Manifest, header: Header) -> None:
        self._path, self._header = path, header
        root = open_group(path)
        described = bookkeeping(manifest, {})
        self._arrays = {name: open_array(path, root, name, described[name]) for name in _MISSING}
        self._stamps: list[tuple[Any, ...] | None] = [None] * header.blocks
        self._outcome = np.full(header.trajectories, PENDING, np.uint8)
        self.committed = np.full(header.blocks, -1, np.int64)
        self.diverged_at = np.full(header.trajectories, -1, np.int64)
        self.changed = 0.0
        self.damage: dict[str, None] = {}

    def refresh(self, *, everything: bool = False) -> list[int]:
        """Read the blocks whose files changed.

        Args:
            everything: finished blocks and unchanged files too.

        Returns:
            The blocks that were read, in order.
        """
        changed = []
        for block in range(self._header.blocks):
            if not everything and self.finished(block):
                continue
            stamp = self._stamp(block)
            if everything or stamp != self._stamps[block]:
                self._stamps[block] = stamp
                changed.append(block)
        for part in np.split(changed, np.flatnonzero(np.diff(changed) > 1) + 1):
            if part.size:
                self._read(range(int(part[0]), int(part[-1]) + 1))
        return changed

    def finished(self, block: int) -> bool:
        """Whether nothing of a block will change any more."""
        return bool(self.committed[block] >= self._header.steps) and not self.failed(block)

    def failed(self, block: int) -> bool:
        """Whether a block was given up."""
        return bool((self._outcome[self._members(block)] == FAILED).any())

    def diverged(self, block: int) -> npt.NDArray[np.bool_]:
        """`(trajectory of the block,)` which of them diverged."""
        return self.diverged_at[self._members(block)] >= 0

    def outcome(self) -> npt.NDArray[np.uint8]:
        """`(trajectory,)` the outcomes as far as they are committed."""
        committed = np.repeat(self.committed, self._header.block_size)[: self._header.trajectories]
        ended = np.where(self._outcome == DIVERGED, self.diverged_at >= 0, committed >= self._header.steps)
        return np.where(ended | (self._outcome == FAILED), self._outcome, PENDING).astype(np.uint8)

    def _members(self, block: int) -> slice:
        members = self._header.block(block)
        return slice(members.start, members.stop)

    def _read(self, blocks: range) -> None:
        # `committed` first: what is read after it is at least as new
        committed = self._rows("committed", blocks)
        rows = range(self._header.block(blocks.start).start, self._header.block(blocks.stop - 1).stop)
        diverged_at, outcome = self._rows("diverged_at", rows), self._rows("outcome", rows)
        diverged_at[diverged_at > np.repeat(committed, self._header.block_size)[: len(rows)]] = -1
        self.committed[blocks.start : blocks.stop] = committed
        self.diverged_at[rows.start : rows.stop] = diverged_at
        self._outcome[rows.start : rows.stop] = outcome

    def _rows(self, name: str, rows: range) -> npt.NDArray[Any]:
        array, missing = self._arrays[name], _MISSING[name]
        try:
            return read_rows(self._path, array, name, rows, missing).copy()
        except DamagedRunError as error:
            self.damage[str(error)] = None
            return read_rows(self._path, array, name, rows, missing, salvage=True).copy()

    def _stamp(self, block: int) -> tuple[Any, ...]:
        """Identity of the three files of a block; each is replaced by a new one when it is written."""
        found: list[Any] = []
        for name in _MISSING:
            try:
                status = chunk_file(self._path, name, (block,)).stat()
            except OSError:
                found.append(None)
                continue
            found += [status.st_ino, status.st_mtime_ns, status.st_size]
            self.changed = max(self.changed, status.st_mtime)
        return tuple(found)
