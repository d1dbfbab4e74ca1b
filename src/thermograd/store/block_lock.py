"""`blocks/N/lock`: one owner of a block at a time, were it one that a killed start left behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

from thermograd.store.atomic_file import make_folder
from thermograd.store.failures import block_folder

FILE = "lock"
WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@contextlib.contextmanager
def hold_block(
    run: Path, block: int, *, wait: float = WAIT_SECONDS, give_up: Callable[[], bool] = lambda: False
) -> Generator[bool]:
    """Own a block while the context lasts.

    The kernel lets go of it when the owner dies. Where a file system knows no locks, the generation in the
    manifest is the only fence.

    Args:
        run: the run directory.
        block: which block.
        wait: seconds to wait for another owner to leave.
        give_up: asked while waiting; True ends it.

    Yields:
        Whether it is owned; False if another owner did not leave.

    Raises:
        OSError: the disk refuses the file.
    """
    folder = block_folder(run, block)
    make_folder(folder)
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield _locked(descriptor, time.monotonic() + wait, give_up)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, deadline: float, give_up: Callable[[], bool]) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline or give_up():
                return False
            time.sleep(_LOOK_SECONDS)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return True
        else:
            return True
