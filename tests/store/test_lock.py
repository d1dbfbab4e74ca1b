from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thermograd.errors import DamagedRunError, RunInUseError
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


def silent(folder: Path, seconds: float, now=time.time) -> None:
    """The lock was touched that long ago."""
    then = now() - seconds
    os.utime(folder / "lock", (then, then))


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP])
def without_locks(request, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(request.param, "no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)


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
        written(tmp_path, pid=other.pid, process_started=lock._process(other.pid)[1])
        with pytest.raises(RunInUseError, match=f"process {other.pid} "), lock.hold(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()


def test_a_killed_holder_whose_parent_has_not_asked_for_it_is_gone(tmp_path):
    """In a container without an init, and under a script that never waits, it stays in the table of processes."""
    script = "import sys; from pathlib import Path; from thermograd.store import lock\n" + (
        f"with lock.hold(Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with killed:
        assert killed.stdout.readline() == b"held\n"
        assert lock.running(tmp_path)
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
        os.kill(killed.pid, 0)
        assert not lock.running(tmp_path)
        with lock.hold(tmp_path) as dead:
            assert dead.pid == killed.pid


@pytest.mark.parametrize(("silence", "free"), [(3, False), (100, False), (121, True), (5000, True)])
def test_another_machine_is_judged_by_its_last_touch(tmp_path, silence, free):
    """By the clock of the file system: the holder's own clock plays no part."""
    written(tmp_path, host="n3", boot_id="other", started="1999-01-02T12:04:11Z")
    silent(tmp_path, silence)
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


def test_a_file_system_without_locks_is_said(tmp_path, without_locks):
    said: list[str] = []
    with lock.hold(tmp_path, said.append):
        assert len(said) == 1
        assert "no file locks" in said[0]
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        written(tmp_path, pid=other.pid, process_started=lock._process(other.pid)[1])
        with pytest.raises(RunInUseError), lock.hold(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()


UNREADABLE = {
    "garbage": b"\xff{",
    "huge": b"{" * 2**22,
    "deep": b"[" * 4096,
    "infinite": b'{"host": "n3", "pid": 1e999, "boot_id": "", "process_started": "", "started": ""}',
    "everybody": b'{"host": "n3", "pid": -1, "boot_id": "", "process_started": "", "started": ""}',
    "another type": b"[1, 2]",
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_lock_is_nobody(tmp_path, kind):
    (tmp_path / "lock").write_bytes(UNREADABLE[kind])
    with lock.hold(tmp_path) as dead:
        assert dead is None
        assert lock.read_holder(tmp_path).pid == os.getpid()
        assert (tmp_path / "lock").stat().st_size < 1000


def test_without_file_locks_an_unreadable_lock_may_be_of_somebody(tmp_path, without_locks):
    (tmp_path / "lock").write_bytes(b"\xff{")
    with pytest.raises(RunInUseError, match="in use by another process"), lock.hold(tmp_path):
        pass
    silent(tmp_path, 121)
    with lock.hold(tmp_path) as dead:
        assert dead is None


def test_a_released_lock_is_free_without_file_locks_too(tmp_path, without_locks):
    with lock.hold(tmp_path):
        pass
    with lock.hold(tmp_path) as dead:
        assert dead is None


def test_a_record_is_written_at_once(tmp_path, monkeypatch):
    """Whoever reads meanwhile meets the old record or the new one, never an empty lock that seems free."""
    written(tmp_path, pid=1, process_started="-5", host=socket.gethostname() + "x" * 300, boot_id="other")
    silent(tmp_path, 500)
    met = []

    def watched(descriptor, length, truncate=os.ftruncate):
        met.append(lock.read_holder(tmp_path).pid)
        truncate(descriptor, length)

    monkeypatch.setattr(lock.os, "ftruncate", watched)
    with lock.hold(tmp_path):
        assert met == [os.getpid()]


def test_another_boot_of_this_machine_is_over(tmp_path):
    """Whatever process has that number now, and however short ago the lock was touched."""
    written(tmp_path, pid=os.getppid(), boot_id="an earlier one")
    assert not lock.running(tmp_path)
    with lock.hold(tmp_path) as dead:
        assert dead.boot_id == "an earlier one"


def test_without_file_locks_another_boot_may_be_another_machine_of_the_same_name(tmp_path, without_locks):
    written(tmp_path, boot_id="other")
    with pytest.raises(RunInUseError), lock.hold(tmp_path):
        pass
    silent(tmp_path, 121)
    with lock.hold(tmp_path) as dead:
        assert dead.boot_id == "other"


@pytest.mark.parametrize("hours", [-7, 7])
def test_clocks_may_be_off_by_hours(tmp_path, monkeypatch, hours):
    """Only the clock of the file system counts, in the decision and in what is said."""
    now = time.time
    monkeypatch.setattr(lock.time, "time", lambda: now() + 3600 * hours)
    written(tmp_path, host="n3", boot_id="other")
    with pytest.raises(RunInUseError, match=r"last sign of life [0-5] s ago"), lock.hold(tmp_path):
        pass
    silent(tmp_path, 121, now)
    with lock.hold(tmp_path) as dead:
        assert dead.host == "n3"


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_plain_file_is_refused_and_left_alone(tmp_path, kind):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    if kind == "folder":
        (run / "lock").mkdir()
    elif kind == "pipe":
        os.mkfifo(run / "lock")
    else:
        (run / "lock").symlink_to(precious if kind == "link" else tmp_path / "nothing")
    for enter in (lock.hold, lock.hold_briefly):
        with pytest.raises(DamagedRunError, match="a lock is a plain file") as caught, enter(run):
            pass
        assert caught.value.damage == ("lock",)
    with pytest.raises(DamagedRunError):
        lock.refuse_if_held(run)
    assert lock.read_holder(run) is None
    assert not lock.running(run)
    assert precious.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["precious", "run"]


def test_readers_take_no_lock_and_write_nothing(run_path):
    from thermograd.store.reader import open_run

    before = {file: file.stat().st_mtime_ns for file in run_path.rglob("*")}
    with lock.hold(run_path):
        run = open_run(run_path)
        assert run.state == "finished"
        assert run["train_loss"].shape == (5, 13)
        with pytest.raises(RunInUseError):
            lock.refuse_if_held(run_path)
    after = {file: file.stat().st_mtime_ns for file in run_path.rglob("*")}
    assert {file for file in after if after[file] != before.get(file)} <= {run_path / "lock"}


@pytest.mark.parametrize("verb", ["resume", "run"])
def test_a_held_run_is_refused_before_torch_is_imported(run_path, verb):
    words = [verb, str(run_path)] if verb == "resume" else [verb, "any.toml", "--out", str(run_path)]
    script = (
        "import sys; from thermograd.cli.command_line import main\n"
        f"code = main({words!r})\n"
        "assert not {'torch', 'zarr', 'scipy'} & set(sys.modules), sorted(sys.modules)\n"
        "sys.exit(code)"
    )
    with lock.hold(run_path):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{run_path} is in use by process {os.getpid()} on host")
    assert len(done.stderr.splitlines()) == 1


def test_who_takes_over_says_so_in_the_events(run_path):
    from logistic_map import LogisticMap, LogisticTrainer

    from thermograd.ensemble.directory_run import train_in_directory

    written(run_path, host="n3", pid=4711, boot_id="other")
    with pytest.raises(RunInUseError, match="process 4711 on host n3"):
        train_in_directory(LogisticTrainer(LogisticMap()), run_path)
    silent(run_path, 121)
    again = train_in_directory(LogisticTrainer(LogisticMap()), run_path)
    (taken,) = [event for event in again.events() if event["event"] == "lock_taken"]
    assert (taken["host"], taken["pid"]) == ("n3", 4711)
