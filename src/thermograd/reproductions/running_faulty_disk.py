"""A disk that kills the process, or refuses, from a chosen change on.

What is done to the file system is seen through an audit hook, whatever library does it: nothing in the package knows
of it.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}


class FaultyDisk:
    """Counts what changes files under a folder; at a chosen count it kills the process or starts to refuse.

    It stays for the life of the process: an audit hook cannot be taken back.

    Args:
        folder: the run directory.
        at: number of the change that meets the fault, the first is 1; None for none.
        fault: "kill", or the name of an error, "ENOSPC" for one. A full disk lets files be deleted, and is full
            no more once the reserve of the run is given up.
    """

    def __init__(self, folder: str, at: int | None, fault: str = "kill") -> None:
        self.folder, self.at, self.fault = folder, at, fault
        self.count = 0
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by the interpreter before it does what the event names."""
        if not self._changes(event, arguments):
            return
        self.count += 1
        if self.at is None or self.count < self.at:
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "ENOSPC" and (event in {"os.remove", "os.rmdir"} or self._reserve_given_up()):
            return
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number))

    def _reserve_given_up(self) -> bool:
        return Path(self.folder).is_dir() and not (Path(self.folder) / "reserve").exists()

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            return isinstance(path, str | os.PathLike) and bool(flags & WRITING) and self._inside(path)
        return event in CHANGES and (isinstance(arguments[0], int) or self._inside(arguments[0]))

    def _inside(self, path: Any) -> bool:
        text = os.fspath(path)
        return isinstance(text, str) and (
            text.startswith(self.folder) or f"/.{Path(self.folder).name}.creating-" in text
        )
