"""One process owns a run directory: an advisory file lock, and a signed sign of life for other machines."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from thermograd.errors import DamagedRunError, RunInUseError
from thermograd.store.printable import printable

FILE = "lock"
TOUCH_SECONDS = 10.0
STALE_SECONDS = 120.0
_LONGEST = 4096
_BYTES = 512  # of one record, blanks included: written at once, so that nobody meets half of it
_DEAD = {"Z", "X", "x"}  # of a process that has ended, of whose end its parent has not asked yet
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: name of the machine.
        pid: process there.
        boot_id: which boot of the machine, "" where it is not known.
        process_started: start time of the process in kernel ticks, "" where it is not known.
        started: when the lock was taken, UTC.
    """

    host: str
    pid: int
    boot_id: str
    process_started: str
    started: str

    @property
    def here(self) -> bool:
        """Whether it is a process of this boot of this machine."""
        return self.host == socket.gethostname() and self.boot_id == boot_id()

    @property
    def before_reboot(self) -> bool:
        """Whether it is a process of another boot of a machine of this name."""
        return self.host == socket.gethostname() and self.boot_id != boot_id()

    @property
    def alive(self) -> bool:
        """Whether that process still runs, and is not only unburied by its parent; only meaningful `here`."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            pass
        state, started = _process(self.pid)
        return self.process_started == started and state not in _DEAD


@contextlib.contextmanager
def hold(folder: Path, warn: Callable[[str], None] = lambda _: None) -> Generator[Holder | None]:
    """Own a run directory while the block runs.

    `flock` decides on one machine; across machines the file's JSON and the age of its last touch do,
    measured against a file touched just now in the same folder, so clocks need not agree. A process of an
    earlier boot of this machine is gone, where its file lock is free too.

    Args:
        folder: an existing run directory.
        warn: told once when the file system knows no locks.

    Yields:
        The dead holder whose lock was taken over, None if the last one had let go.

    Raises:
        RunInUseError: another process owns it; says which, since when, and its last sign of life.
        DamagedRunError: the lock is a link, a folder or anything else but a plain file.
    """
    descriptor = _opened(folder, os.O_RDWR | os.O_CREAT)
    finished = threading.Event()
    touching: threading.Thread | None = None
    owned = False
    try:
        locks = _flock(folder, descriptor)
        if not locks:
            warn("this file system knows no file locks: two machines may not be told apart for two minutes")
        previous = _refuse_owned(folder, descriptor, locks=locks)
        owned = True
        _write(descriptor, _self())
        touching = threading.Thread(target=_touch, args=(descriptor, finished), daemon=True)
        touching.start()
        yield previous
    finally:
        finished.set()
        if touching is not None:
            touching.join()
        if owned:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
        os.close(descriptor)


def refuse_if_held(folder: Path) -> None:
    """Fail early, before anything slow is imported, if somebody owns the run.

    Raises:
        RunInUseError: it is owned.
    """
    if os.path.lexists(folder / FILE):
        with hold_briefly(folder):
            pass


@contextlib.contextmanager
def hold_briefly(folder: Path) -> Generator[None]:
    """Own the file lock alone, leaving the written holder as it is.

    Yields:
        Nothing.

    Raises:
        RunInUseError: it is owned.
        DamagedRunError: the lock is no plain file.
    """
    descriptor = _opened(folder, os.O_RDONLY)
    try:
        _refuse_owned(folder, descriptor, locks=_flock(folder, descriptor))
        yield
    finally:
        os.close(descriptor)


def read_holder(folder: Path) -> Holder | None:
    """Who wrote the lock file last and did not let go; None if nobody, or if it cannot be read."""
    try:
        descriptor = _opened(folder, os.O_RDONLY)
    except (OSError, DamagedRunError):
        return None
    try:
        return _holder(descriptor)
    finally:
        os.close(descriptor)


def running(folder: Path) -> bool:
    """Whether somebody seems to work on the run now; takes no lock and writes nothing.

    Of another machine the last touch tells, by the clock of this one: who must be sure takes the lock.
    """
    holder = read_holder(folder)
    if holder is None or holder.before_reboot:
        return False
    return holder.alive if holder.here else time.time() - (folder / FILE).stat().st_mtime < STALE_SECONDS


def boot_id() -> str:
    """Identity of this boot of the machine, "" where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _self() -> Holder:
    pid = os.getpid()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Holder(socket.gethostname(), pid, boot_id(), _process(pid)[1], now)


def _process(pid: int) -> tuple[str, str]:
    """State and start time of a process, empty where they are not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def _opened(folder: Path, flags: int) -> int:
    """The lock file, a plain file: never through a link, and never waiting for the other end of a pipe."""
    file = folder / FILE
    try:
        descriptor = os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise
        raise _no_file(file) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(file)
    return descriptor


def _no_file(file: Path) -> DamagedRunError:
    message = f"{printable(file)} is a link, a folder or a device, where a lock is a plain file; nothing was touched. Remove it"
    return DamagedRunError(message, (FILE,))


def _holder(descriptor: int) -> Holder | None:
    """The holder written in an open lock file."""
    try:
        content = json.loads(os.pread(descriptor, _LONGEST, 0))
        holder = Holder(
            host=str(content["host"]),
            pid=int(content["pid"]),
            boot_id=str(content["boot_id"]),
            process_started=str(content["process_started"]),
            started=str(content["started"]),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return holder if holder.pid > 0 else None


def _flock(folder: Path, descriptor: int) -> bool:
    """Take the file lock; False where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _in_use(folder, descriptor, _holder(descriptor)) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _refuse_owned(folder: Path, descriptor: int, *, locks: bool) -> Holder | None:
    """The dead holder, None if there was none; one that lives, or may, is an error."""
    holder = _holder(descriptor)
    if holder is None:
        # without file locks, what cannot be read may be of a living process; released is empty
        unreadable = not locks and os.fstat(descriptor).st_size > 0
        if unreadable and _silence(folder, descriptor) < STALE_SECONDS:
            raise _in_use(folder, descriptor, None)
        return None
    if holder.here:
        owned = holder.pid != os.getpid() and holder.alive
    else:
        gone = locks and holder.before_reboot
        owned = not gone and _silence(folder, descriptor) < STALE_SECONDS
    if owned:
        raise _in_use(folder, descriptor, holder)
    return holder


def _silence(folder: Path, descriptor: int) -> float:
    """Seconds since the lock was touched, by the clock of the file system."""
    now, name = tempfile.mkstemp(dir=folder, prefix=".clock-")
    try:
        return os.fstat(now).st_mtime - os.fstat(descriptor).st_mtime
    finally:
        os.close(now)
        with contextlib.suppress(FileNotFoundError):  # whoever owns the run sweeps such files
            os.unlink(name)


def _write(descriptor: int, holder: Holder) -> None:
    content = json.dumps(asdict(holder)).encode("ascii").ljust(_BYTES)
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _touch(descriptor: int, finished: threading.Event) -> None:
    while not finished.wait(TOUCH_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(descriptor)


def _in_use(folder: Path, descriptor: int, holder: Holder | None) -> RunInUseError:
    if holder is None:
        return RunInUseError(f"{printable(folder)} is in use by another process that has just started")
    try:
        silence = _silence(folder, descriptor)
    except OSError:  # a folder that only others may write to
        silence = time.time() - os.fstat(descriptor).st_mtime
    return RunInUseError(
        f"{printable(folder)} is in use by process {holder.pid} on host {printable(holder.host)} since "
        f"{printable(holder.started[11:19])} UTC (last sign of life {max(0.0, silence):.0f} s ago). "
        "Wait for it, or stop it with Ctrl-C there"
    )
