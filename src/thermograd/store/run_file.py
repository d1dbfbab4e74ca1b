"""Reading one file of a run: a plain file inside it, no longer than it may be. What a stranger's run holds is not trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from thermograd.errors import DamagedRunError
from thermograd.store.printable import printable


def read_run_file(run: Path, file: Path, most: int | None = None) -> bytes:
    """All bytes of a file of a run; never waits for the other end of a pipe.

    Args:
        run: the run directory.
        file: a path inside it.
        most: bytes it may have; any number if None.

    Raises:
        DamagedRunError: a link that leaves the run, no plain file, or longer than `most`; names it.
        IsADirectoryError: a folder.
        FileNotFoundError: there is none.
        OSError: it cannot be read.
    """
    refuse_escape(run, file)
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            error = _refusal(run, file, "is no plain file and not read")
            raise error
        raw = stream.read() if most is None else stream.read(min(found.st_size, most) + 1)
    if most is not None and len(raw) > most:
        error = _refusal(run, file, f"is larger than {most / 2**20:.3g} MiB and not read")
        raise error
    return raw


def refuse_escape(run: Path, place: Path) -> None:
    """Refuse a symbolic link that leaves the run.

    Raises:
        DamagedRunError: it does.
    """
    if not _inside(run, place):
        why = "is a symbolic link that leaves the run and not followed"
        error = _refusal(run, place, why)
        raise error


def refuse_links_out(run: Path) -> None:
    """Refuse to work on a run with a symbolic link, anywhere in it, that leaves it: what is written would land elsewhere.

    Raises:
        DamagedRunError: names it.
    """
    folders = [run]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    refuse_escape(run, Path(entry.path))
                elif entry.is_dir():
                    folders.append(Path(entry.path))


def _inside(run: Path, place: Path) -> bool:
    try:
        return place.resolve().is_relative_to(run.resolve())
    except (OSError, RuntimeError):  # links in a circle lead nowhere
        return False


def _refusal(run: Path, file: Path, why: str) -> DamagedRunError:
    shown = printable(file.relative_to(run))
    message = (
        f"{printable(run)}: {shown} {why}. Remove it, and what it held is computed again with: "
        f"thermograd resume {printable(run)} --repair"
    )
    return DamagedRunError(message, (shown,))
