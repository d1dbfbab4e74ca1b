"""`blocks/N/failure.json`: why a block of trajectories could not be finished."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from thermograd.errors import DamagedRunError
from thermograd.store.atomic_file import make_folder, write_atomically
from thermograd.store.printable import printable
from thermograd.store.run_file import read_run_file

FILE = "failure.json"
_LARGEST = 2**24


@dataclass(frozen=True)
class Failure:
    """A failed block.

    Attributes:
        block: its index.
        kind: class of the exception.
        message: what it said.
        traceback: where.
        step: last committed step, -1 for none.
        attempts: how often it was tried.
        host: machine.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_failure(Path(folder), Failure(3, "RuntimeError", "no device", "", step=200, attempts=2))
    ...     [(failure.block, failure.kind, failure.step) for failure in read_failures(Path(folder))]
    [(3, 'RuntimeError', 200)]
    """

    block: int
    kind: str
    message: str
    traceback: str
    step: int
    attempts: int
    host: str = field(default_factory=socket.gethostname)


def block_folder(run: Path, block: int) -> Path:
    """Where a block keeps its checkpoint.

    >>> block_folder(Path("run"), 7)
    PosixPath('run/blocks/00007')
    """
    return run / "blocks" / f"{block:05d}"


def write_failure(run: Path, failure: Failure) -> None:
    """Record a failed block."""
    folder = block_folder(run, failure.block)
    make_folder(folder)
    write_atomically(folder / FILE, json.dumps(asdict(failure), indent=1).encode("ascii"))


def clear_failure(run: Path, block: int) -> None:
    """Forget a failed block, to try it again."""
    (block_folder(run, block) / FILE).unlink(missing_ok=True)


def read_failures(run: Path) -> tuple[Failure, ...]:
    """All failed blocks, by index; one whose file cannot be read is listed with kind "unreadable"."""
    failures = []
    for file in sorted((run / "blocks").glob(f"*/{FILE}")):
        if not file.parent.name.isdecimal():
            continue
        block = int(file.parent.name)
        try:
            content = json.loads(read_run_file(run, file, _LARGEST))
            step, attempts = int(content["step"]), int(content["attempts"])
            kind, message, host = (printable(content[key]) for key in ("kind", "message", "host"))
            traceback = "\n".join(map(printable, str(content["traceback"]).splitlines()))
            failures.append(Failure(block, kind, message, traceback, step, attempts, host))
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, DamagedRunError):
            unreadable = f"{printable(file)} cannot be read"
            failures.append(Failure(block, "unreadable", unreadable, "", -1, 0, ""))
    return tuple(failures)
