"""A disk that fills up or goes read-only: recognise it, keep a reserve for the last words, say what to do."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from thermograd.errors import DiskFullError
from thermograd.store.manifest import FILE as MANIFEST
from thermograd.store.resume_command import resume_command

RESERVE = "reserve"
RESERVE_BYTES = 2**20
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, *_FORBIDDEN}


def is_disk_error(error: BaseException) -> bool:
    """Whether an exception, or what it came from, is the disk's fault.

    >>> is_disk_error(OSError(errno.ENOSPC, "full")), is_disk_error(OSError(errno.ENOENT, "gone"))
    (True, False)
    """
    return refusal_of(error) is not None


def refusal_of(error: BaseException) -> OSError | None:
    """The complaint of the disk that an exception is or came from, None if there is none."""
    seen: BaseException | None = error
    while seen is not None and not (isinstance(seen, OSError) and seen.errno in _DISK):
        seen = seen.__cause__ or seen.__context__
    return seen


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


def disk_full(folder: Path, needed: int, cause: BaseException, executor: Sequence[str] = ()) -> DiskFullError:
    """The error for a disk that refused.

    Args:
        folder: the run directory; without a manifest in it nothing was begun that could be resumed.
        needed: bytes still to be written, before compression.
        cause: what the disk said.
        executor: words of the command line that choose who trains the blocks.

    Returns:
        The error to raise: what happened, what is there, and what to do.
    """
    refusal = refusal_of(cause)
    begun = (folder / MANIFEST).exists()
    room = refusal is None or refusal.errno not in {*_FORBIDDEN, errno.EROFS}
    sizes = f": the run needs about {_size(needed + RESERVE_BYTES)}, {_free(folder)}" if room else ""
    state = "What is there is whole" if begun else "Nothing was written"
    if begun:
        todo = f"{'free space' if room else 'make it writable'}, then: {resume_command(folder, executor)}"
    else:
        todo = f"{'free space, or ' if room else ''}choose another folder with --out"
    said = cause if refusal is None else refusal.strerror or refusal
    return DiskFullError(f"{_what(refusal, folder)} ({said}){sizes}. {state}; {todo}")


def refused_by_disk(error: OSError) -> str:
    """One sentence on a disk that refused to write one file, for a person.

    >>> refused_by_disk(OSError(errno.EROFS, "Read-only file system", "/mnt/page.html"))
    'cannot write /mnt/page.html (Read-only file system): choose another place'
    """
    name = "standard output" if error.filename is None else str(error.filename)
    verb = "use" if error.errno in _FORBIDDEN else "write"
    room = error.errno in {errno.ENOSPC, errno.EDQUOT}
    todo = "free space, or choose another place" if room else "choose another place"
    return f"cannot {verb} {name} ({error.strerror or error}): {todo}"


def _what(refusal: OSError | None, folder: Path) -> str:
    number = None if refusal is None else refusal.errno
    if number == errno.EROFS:
        return f"{folder} is on a read-only file system"
    if number in _FORBIDDEN:
        return f"you may not write to {folder}"
    return "the disk refused to write"


def _free(folder: Path) -> str:
    place = next((above for above in (folder, *folder.parents) if above.exists()), folder)
    try:
        return f"{_size(shutil.disk_usage(place).free)} free on {place}"
    except OSError:
        return f"the free space on {place} is not known"


def _size(count: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"
