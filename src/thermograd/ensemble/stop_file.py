"""`stop`: a file that asks the workers of one start of a run to stop, now or at a step."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from thermograd.ensemble.notice import under_notice
from thermograd.errors import RunInUseError
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.manifest import read_manifest

FILE = "stop"
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class StopRequest:
    """What the file says: which start, and at which step; None: at the next step boundary."""

    generation: int
    step: int | None = None


def ask_to_stop(run: Path, request: StopRequest) -> None:
    """Write the file.

    Raises:
        OSError: the disk refuses.
    """
    words = [request.generation] if request.step is None else [request.generation, request.step]
    (run / FILE).write_text(" ".join(map(str, words)), encoding="ascii")


def asked_to_stop(run: Path, generation: int) -> StopRequest | None:
    """What one start is asked, None if nothing."""
    try:
        words = [int(word) for word in (run / FILE).read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return None
    if not 1 <= len(words) <= 2 or words[0] != generation:
        return None
    return StopRequest(words[0], words[1] if len(words) == 2 else None)


class StopWatch:
    """Tells a worker when to stop, by looking at files twice a second.

    Args:
        run: the run directory.
        generation: the start that the worker belongs to.

    Attributes:
        until: step to stop at, None for the end; as it was when the watch began.
        noticed: whether it stops because its place is taken away, and not the run stopped.
    """

    def __init__(self, run: Path, generation: int) -> None:
        self._run = run
        self._generation = generation
        self._looked = -LOOK_SECONDS
        self._stopping = False
        self.noticed = False
        self._manifest: tuple[int, ...] | None = None
        request = asked_to_stop(run, generation)
        self.until = None if request is None else request.step

    def stopping(self) -> bool:
        """Whether to stop at this step boundary.

        Raises:
            RunInUseError: a later start owns the run.
        """
        now = time.monotonic()
        if not self._stopping and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            request = asked_to_stop(self._run, self._generation)
            asked = (request is not None and request.step is None) or not self._going_on()
            self.noticed = not asked and under_notice()
            self._stopping = asked or self.noticed
        return self._stopping

    def _going_on(self) -> bool:
        """Whether the manifest still says that this start runs."""
        seen = os.stat(self._run / MANIFEST)
        mark = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        if mark == self._manifest:
            return True
        manifest = read_manifest(self._run)
        if manifest.generation != self._generation:
            message = (
                f"start number {manifest.generation} owns the run now, this is number {self._generation}"
            )
            raise RunInUseError(message)
        self._manifest = mark
        return manifest.state == "running"
