"""What came of one block: plain data, which any executor can carry."""

from __future__ import annotations

import errno
import math
import os
import socket
import traceback
from dataclasses import dataclass, field, replace

from thermograd.store.disk_space import refusal_of

FINISHED, STOPPED, LEFT, FAILED = "finished", "stopped", "left", "failed"
STALE, BUSY, DISK, DAMAGED = "stale", "busy", "disk", "damaged"


@dataclass(frozen=True)
class BlockReport:
    """How one owner of a block left it.

    Attributes:
        block: which.
        outcome: "finished"; "stopped", asked to; "left", its place was taken away; "failed", it raised; "stale", a later start owns the run; "busy",
            another owner did not leave; "disk", it refused; "damaged", files of the block cannot be trusted.
        step: last committed step, -1 where that is not known.
        kind: class of the exception.
        message: what it said.
        traceback: where.
        attempts: how often it was tried.
        errno: what a disk said, by number.
        damage: the files that cannot be trusted.
        run_id: the run that the owner saw.
        host: its machine.
        changed: how versions or processor there differ from those the run began with, "" if they do not.
        diverged: trajectories that diverged.
        mean: mean of the first observable at its last time, NaN where nobody knows.
    """

    block: int
    outcome: str
    step: int = -1
    kind: str = ""
    message: str = ""
    traceback: str = ""
    attempts: int = 0
    errno: int = 0
    damage: tuple[str, ...] = ()
    run_id: str = ""
    host: str = field(default_factory=socket.gethostname)
    changed: str = ""
    diverged: int = 0
    mean: float = math.nan

    def with_error(self, error: BaseException, attempts: int = 1) -> BlockReport:
        """The same with what an exception says; one that is the disk's fault becomes "disk"."""
        refusal = refusal_of(error)
        said = replace(
            self,
            kind=type(error).__name__,
            message=str(error),
            traceback="".join(traceback.format_exception(error)),
            attempts=attempts,
        )
        return said if refusal is None else replace(said, outcome=DISK, errno=refusal.errno or errno.EIO)

    def disk_error(self) -> OSError:
        """What the disk said, as an exception of this process."""
        return OSError(self.errno, f"{os.strerror(self.errno)} (block {self.block} on host {self.host})")
