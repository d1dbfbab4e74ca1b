"""A disk that fills up or goes read-only: recognise it, keep a reserve for the last words, say what to do."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from pathlib import Path

from thermograd.errors import DiskFullError

RESERVE = "reserve"
RESERVE_BYTES = 2**20
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


def is_disk_error(error: BaseException) -> bool:
    """Whether an exception, or what it came from, is the disk's fault.

    >>> is_disk_error(OSError(errno.ENOSPC, "full")), is_disk_error(OSError(errno.ENOENT, "gone"))
    (True, False)
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _DISK:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def keep_reserve(folder: Path) -> None:
    """Make the file that is given up when the disk is full, unless it is there.

    Raises:
        OSError: there is no room even for it.
    """
    file = folder / RESERVE
    if file.exists() and file.stat().st_size == RESERVE_BYTES:
        return
    # random bytes: a compressing file system would keep nothing back for zeros
    file.write_bytes(os.urandom(RESERVE_BYTES))


def release_reserve(folder: Path) -> None:
    """Give the reserve up."""
    (folder / RESERVE).unlink(missing_ok=True)


def disk_full(folder: Path, needed: int, cause: BaseException) -> DiskFullError:
    """The error for a disk that refused.

    Args:
        folder: the run directory.
        needed: bytes still to be written, before compression.
        cause: what the disk said.

    Returns:
        The error to raise, with the resume command.
    """
    place = folder if folder.exists() else folder.parent
    try:
        free = f"{_size(shutil.disk_usage(place).free)} free on {place}"
    except OSError:
        free = f"the free space on {place} is not known"
    said = cause if isinstance(cause, OSError) else (cause.__cause__ or cause.__context__ or cause)
    return DiskFullError(
        f"the disk refused to write ({said}): the run needs about {_size(needed)}, {free}. "
        f"What is there is whole; free space, then: thermograd resume {shlex.quote(str(folder))}"
    )


def _size(count: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"
