"""A run as the live page shows it: what is committed, averaged as it comes in."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedRunError, ThermogradError
from thermograd.report.ensemble import LARGEST_NUMBER, clock
from thermograd.report.live_events import EventTail
from thermograd.report.live_figure import live_figure
from thermograd.report.live_ledger import Ledger
from thermograd.report.live_pace import Pace
from thermograd.report.live_series import LiveSeries
from thermograd.report.live_words import state_in_words
from thermograd.store.events import FILE as EVENTS
from thermograd.store.failures import Failure
from thermograd.store.layout import FAILED
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.manifest import read_manifest
from thermograd.store.outcome_counts import outcome_counts
from thermograd.store.printable import excerpt, printable
from thermograd.store.reader import open_run

POINTS = 2000
_FEWEST_POINTS = 100
_KEPT_POINTS = 2**21
_MOST_LINES = 20
ENDED = ("finished", "interrupted", "failed", "gone")
"""States in which nothing more comes by itself."""


class LiveRun:
    """Follows a run directory, also while it is written; takes no lock and writes nothing.

    Every chunk is read when it is committed, and not again when it is full. Memory is bounded by 2000 points an
    observable and, for blocks that are not finished, by about 50 MB in all: with very many blocks there are fewer points.

    Args:
        path: the run directory.

    Raises:
        ForeignDirectoryError: it is not a run.
        NewerFormatError: a later version of thermograd wrote it.
        DamagedRunError: its manifest, its times or its metadata cannot be read.
        MissingExtraError: zarr is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._mutex = threading.Lock()
        # larger than any version a page may have from a server that was here before
        self.version = int(time.time() * 1000)
        self._trouble: tuple[str, str] | None = None
        self._begin()

    @property
    def name(self) -> str:
        """Name of the experiment, or of the directory."""
        return printable(self._header.name or self.path.absolute().name)

    def refresh(self, seconds: float = float("inf")) -> None:
        """Look what is new; what goes wrong is told by `data`.

        Args:
            seconds: how long to go on averaging; what is left is taken by later calls.
        """
        with self._mutex:
            try:
                self._follow(seconds)
                trouble = None
            except (ThermogradError, OSError) as error:
                trouble = self._told(error)
            if trouble != self._trouble:
                self._trouble = trouble
                self.version += 1

    def data(self, since: int = -1) -> dict[str, Any]:
        """What the page is told.

        Args:
            since: the version the page has; it is told what changed after it. Everything if that is no version
                given out since the run was opened.

        Returns:
            Plain values for JSON. Always `version`, `full`, `state`, `seconds_since_change`, `time_left` and `unread`
            (blocks still to be averaged); if anything changed also `text`, `progress`, `blocks`, `committed`,
            `working`, `failed`, `outcome`, `series`, `failures`, `events` and `notes`; if `full` also `about`.
        """
        with self._mutex:
            full = not self._first <= since <= self.version
            found = self._now(full=full)
            if since == self.version:
                return found
            points = {name: entry.points(-1 if full else since) for name, entry in self._series.items()}
            found |= self._state_of_blocks()
            found["series"] = {name: entry for name, entry in points.items() if entry}
            return found | ({"about": self._about()} if full else {})

    def _begin(self) -> None:
        """Begin from nothing: at the start, and when what was read is no longer true."""
        manifest = read_manifest(self.path)
        self._run, self._salvaged = open_run(self.path), open_run(self.path, salvage=True)
        self._header = self._run.source.header
        self._ledger = Ledger(self.path, manifest, self._header)
        self._events, self._pace = EventTail(self.path), Pace(self._header)
        self.version += 1
        self._first = self.version
        self._manifest, self._state, self._touched = manifest, "", 0.0
        names = self._run.scalars[:LARGEST_NUMBER]
        room = _KEPT_POINTS // max(1, self._header.blocks * len(names))
        points = min(POINTS, max(_FEWEST_POINTS, room))
        chunks = {array.name: array.chunks[1] for array in manifest.arrays}
        self._series = {
            name: LiveSeries(self._header.array(name), chunks[name], points, self._read, self.version)
            for name in names
        }
        self._unread: dict[int, None] = {}
        self._averaged: set[int] = set()
        self._damage: dict[str, None] = {}

    def _follow(self, seconds: float) -> None:
        manifest = read_manifest(self.path)
        restarted = manifest.generation != self._manifest.generation
        if manifest.run_id != self._manifest.run_id or (restarted and (self._damage or self._ledger.damage)):
            self._begin()
        self._manifest = manifest
        news = self._take_events()
        state = self._run.state
        before = self._ledger.committed.copy()
        # a file may be replaced twice within the resolution of its clock: the end is read in any case
        everything = restarted or (state != self._state and state in ENDED)
        read = self._ledger.refresh(everything=everything)
        if (self._ledger.committed < before).any():
            self._begin()
            read = self._ledger.refresh(everything=True)
        if read or news or state != self._state:
            self.version += 1
        self._state = state
        begun = [block for block in read if self._ledger.committed[block] >= 0]
        self._unread |= dict.fromkeys(block for block in begun if block not in self._averaged)
        began = time.monotonic()
        while self._unread:
            self._average(next(iter(self._unread)))
            if time.monotonic() - began > seconds:
                break
        self._touched = max(
            self._ledger.changed, *(_touched(self.path / name) for name in (EVENTS, MANIFEST))
        )

    def _take_events(self) -> bool:
        any_new = False
        while events := self._events.new():
            any_new = True
            for event in events:
                self._pace.take(event)
        return any_new

    def _average(self, block: int) -> None:
        """Take what is new of a block into every series; a finished one comes only once."""
        self.version += 1
        committed = int(self._ledger.committed[block])
        finished, diverged = self._ledger.finished(block), self._ledger.diverged(block)
        for entry in self._series.values():
            entry.take(block, committed, diverged, finished=finished, version=self.version)
        if finished:
            self._averaged.add(block)
        del self._unread[block]

    def _read(self, name: str, block: int, records: slice) -> npt.NDArray[Any]:
        """Records of a block; NaN where they cannot be trusted, which is noted."""
        members = self._header.block(block)
        rows = slice(members.start, members.stop)
        try:
            return self._run.array(name, rows, records)
        except DamagedRunError as error:
            self._damage[excerpt(error)] = None
            values = self._salvaged.array(name, rows, records)
            return values if values.dtype.kind == "f" else np.where(values == -1, np.nan, values)

    def _told(self, error: Exception) -> tuple[str, str]:
        if not self.path.is_dir():
            return "gone", f"The run directory {printable(self.path)} is gone; what was read before is shown."
        return "damaged", excerpt(error)

    def _now(self, *, full: bool) -> dict[str, Any]:
        now = time.time()
        state = self._trouble[0] if self._trouble else self._state
        left = self._pace.left(self._work_left(), now) if state == "running" else None
        return {
            "version": self.version,
            "full": full,
            "state": state,
            "seconds_since_change": round(max(0.0, now - self._touched), 1) if self._touched else None,
            "time_left": left and {name: _short(value) for name, value in left._asdict().items()},
            "unread": len(self._unread),
        }

    def _work_left(self) -> float:
        """Trajectory-steps that are not committed; those of failed blocks are not waited for."""
        steps = self._header.steps - np.clip(self._ledger.committed, 0, self._header.steps)
        outcome = self._ledger.outcome()
        waited = np.repeat(steps, self._header.block_size)[: self._header.trajectories]
        return float(waited[outcome != FAILED].sum())

    def _state_of_blocks(self) -> dict[str, Any]:
        ledger, outcome, blocks = self._ledger, self._ledger.outcome(), range(self._header.blocks)
        counts = outcome_counts(outcome)
        failed = [block for block in blocks if ledger.failed(block)] if counts["failed"] else []
        finished = sum(map(ledger.finished, blocks))
        total = max(1, self._header.steps * self._header.trajectories)
        seen = np.repeat(np.clip(ledger.committed, 0, None), self._header.block_size)[: outcome.size]
        shown = "" if self._trouble is None else self._trouble[1]
        return {
            "text": shown
            or state_in_words(
                self._state,
                finished,
                len(blocks),
                counts,
                self.path,
                self._manifest.executor,
                self._manifest.python_objects,
            ),
            "progress": float(seen.sum()) / total if self._header.steps else float(finished == len(blocks)),
            "blocks": len(blocks),
            "committed": ledger.committed.tolist(),
            "working": sorted(self._events.at_work & {*blocks}) if self._state == "running" else [],
            "failed": failed,
            "outcome": counts,
            "failures": [self._failure(entry) for entry in self._run.failures[:_MOST_LINES]]
            if failed
            else [],
            "events": [list(event) for event in self._events.last],
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        notes = [excerpt(note) for note in (*self._manifest.notes, *self._ledger.damage, *self._damage)]
        more = len(notes) - _MOST_LINES
        return [*notes[:_MOST_LINES], *([f"and {more} more of the kind"] if more > 0 else [])]

    @staticmethod
    def _failure(failure: Failure) -> str:
        said = f"{failure.kind}: {failure.message}"
        times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        return excerpt(f"block {failure.block}, tried {times}, committed to step {failure.step}: {said}")

    def _about(self) -> dict[str, Any]:
        header = self._header
        unit, (scale,) = clock([self._run])
        return {
            "name": self.name,
            "path": printable(self.path),
            "trajectories": header.trajectories,
            "steps": header.steps,
            "block_size": header.block_size,
            "engine": printable(header.engine),
            "seed": header.seed,
            "unit": unit,
            "steps_per_unit": scale,
            "checkpoint_seconds": self._manifest.checkpoint_seconds,
            "figures": {name: live_figure(name, unit) for name in self._series},
            "not_drawn": len(self._run.scalars) - len(self._series),
        }


def _touched(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
