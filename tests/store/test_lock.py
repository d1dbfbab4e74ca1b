from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thermograd.errors import RunInUseError
from thermograd.store import lock


def written(folder: Path, **changes) -> None:
    content = {
        "host": socket.gethostname(),
        "pid": 1,
        "boot_id": lock.boot_id(),
        "process_started": "0",
        "started": "2026-01-02T12:04:11Z",
    }
    (folder / "lock").write_text(json.dumps(content | changes), encoding="ascii")


def test_a_held_lock_says_who_and_since_when(tmp_path):
    with lock.hold(tmp_path) as dead:
        assert dead is None
        script = f"from pathlib import Path; from thermograd.store import lock\nwith lock.hold(Path({str(tmp_path)!r})): pass"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"is in use by process {os.getpid()} on host {socket.gethostname()} since" in done.stderr
        assert "last sign of life 0 s ago" in done.stderr
        with pytest.raises(RunInUseError):
            lock.refuse_if_held(tmp_path)
        assert lock.running(tmp_path)
    lock.refuse_if_held(tmp_path)
    assert lock.read_holder(tmp_path) is None
    assert not lock.running(tmp_path)


def test_a_dead_holder_here_is_taken_over(tmp_path):
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    written(tmp_path, pid=finished.pid)
    with lock.hold(tmp_path) as dead:
        assert dead is not None
        assert dead.pid == finished.pid


def test_a_reused_process_number_is_no_holder(tmp_path):
    """Process 1 lives, but did not start when the lock says."""
    written(tmp_path, pid=1, process_started="-5")
    with lock.hold(tmp_path) as dead:
        assert dead is not None


def test_a_living_holder_here_is_respected_even_without_its_file_lock(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        written(tmp_path, pid=other.pid, process_started=lock._process_started(other.pid))
        with pytest.raises(RunInUseError, match=f"process {other.pid} "), lock.hold(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(("silence", "free"), [(3, False), (100, False), (121, True), (5000, True)])
def test_another_machine_is_judged_by_its_last_touch(tmp_path, silence, free):
    """By the clock of the file system: the holder's own clock plays no part."""
    written(tmp_path, host="n3", boot_id="other", started="1999-01-02T12:04:11Z")
    then = time.time() - silence
    os.utime(tmp_path / "lock", (then, then))
    if free:
        with lock.hold(tmp_path) as dead:
            assert dead is not None
            assert dead.host == "n3"
    else:
        with pytest.raises(RunInUseError, match="on host n3 since 12:04:11 UTC"), lock.hold(tmp_path):
            pass
    assert not list(tmp_path.glob(".clock-*"))


def test_the_lock_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "TOUCH_SECONDS", 0.02)
    with lock.hold(tmp_path):
        os.utime(tmp_path / "lock", (0, 0))
        while (
            tmp_path / "lock"
        ).stat().st_mtime < 1:  # for ever, and so to the limit of a test, if it is not
            time.sleep(0.01)
        assert (tmp_path / "lock").stat().st_mtime == pytest.approx(time.time(), abs=3600)


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    import errno

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    said: list[str] = []
    with lock.hold(tmp_path, said.append):
        assert len(said) == 1
        assert "no file locks" in said[0]
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        written(tmp_path, pid=other.pid, process_started=lock._process_started(other.pid))
        with pytest.raises(RunInUseError), lock.hold(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()


def test_an_unreadable_lock_is_nobody(tmp_path):
    (tmp_path / "lock").write_bytes(b"\xff{")
    with lock.hold(tmp_path) as dead:
        assert dead is None
