"""A killed coordinator leaves workers behind; whoever goes on with the run is safe from them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coordinate import experiment
from logistic_map import everything
from waiting import gone, until

from thermograd.ensemble import worker as worker_module
from thermograd.ensemble.block_report import BUSY, FINISHED, STALE
from thermograd.ensemble.block_work import BlockTask, work_on
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.ensemble.stop_file import StopRequest, StopWatch, ask_to_stop
from thermograd.ensemble.worker import train_block
from thermograd.errors import RunInUseError
from thermograd.store.block_lock import hold_block
from thermograd.store.block_log import logged_owner, overlapping, read_owners
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.reader import open_run
from thermograd.store.writer import DirectoryStorage

RECORD = 12  # well inside the run, after the rehearsals of the measurement
Start = Callable[[str], tuple[Path, Path, int]]


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[Start]:
    """A run whose coordinator was killed while its worker waits at the gate: the run, the gate, the worker."""
    found: list[int] = []

    def start(how: str) -> tuple[Path, Path, int]:
        path, gate = tmp_path / "run", tmp_path / "gate"
        gate.mkdir()
        coordinator = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("coordinate.py"), path, how],
            env={**os.environ, "GATE": f"{gate} {RECORD}"},
        )
        try:
            until(lambda: any(gate.iterdir()) or coordinator.poll() is not None)
            found.extend(int(file.name) for file in gate.iterdir())
        finally:
            coordinator.kill()
            coordinator.wait()
        return path, gate, found[0]

    yield start
    for process in found:
        if not gone(process):
            os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def gated_truth() -> dict[str, bytes]:
    return everything(run(experiment()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel of Linux")
def test_pool_workers_die_with_their_coordinator(orphan, gated_truth):
    path, _, worker = orphan("process")
    until(lambda: gone(worker))
    assert everything(resume(path, allow_import=True)) == gated_truth
    assert [line.event for line in read_owners(path, 0)] == ["begins", "begins", "ends"]


@pytest.mark.slow
def test_a_worker_that_outlives_its_coordinator_leaves_before_the_next_begins(orphan, gated_truth):
    path, gate, worker = orphan("detached")
    done: list[dict[str, bytes]] = []
    next_start = threading.Thread(target=lambda: done.append(everything(resume(path, allow_import=True))))
    next_start.start()
    until(lambda: read_manifest(path).generation == 2)
    assert open_run(path).committed.tolist() == [-1]
    (gate / "open").touch()
    next_start.join()
    assert done == [gated_truth]
    owners = read_owners(path, 0)
    assert overlapping(owners) == []
    assert [(line.event, line.generation, line.process == worker) for line in owners] == [
        ("begins", 1, True),
        ("ends", 1, True),
        ("begins", 2, False),
        ("ends", 2, False),
    ]
    assert owners[1].how == STALE


@pytest.mark.slow  # a quicker control of the same is below
def test_without_the_fence_two_own_a_block(orphan, gated_truth):
    """Negative control: the log shows the overlap, and the orphan writes where it must not."""
    path, gate, worker = orphan("unfenced")
    assert everything(resume(path, allow_import=True)) == gated_truth
    kept = {file: file.stat().st_ino for file in (path / "trajectories.zarr").rglob("*") if file.is_file()}
    (gate / "open").touch()
    until(lambda: gone(worker))
    assert [line.process for line in overlapping(read_owners(path, 0))] == [worker]
    assert kept != {file: file.stat().st_ino for file in kept}


# in this process


def started(path: Path, made, generation: int = 2) -> None:
    """A run that looks as if a coordinator were at work on it."""
    run(made(), store=path, until=7)
    write_manifest(path, read_manifest(path).replace(generation=generation, state="running"))


def test_a_task_of_an_earlier_start_leaves_no_trace(made, tmp_path):
    path = tmp_path / "run"
    started(path, made)
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    assert train_block(str(path), 0, 1).outcome == STALE
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()} == before
    assert train_block(str(path), 0, 2).outcome == FINISHED
    write_manifest(path, read_manifest(path).replace(state="interrupted"))
    assert train_block(str(path), 1, 2).outcome == STALE


@pytest.mark.parametrize("fenced", [True, False])
def test_a_start_that_is_overtaken_writes_nothing_more(made, tmp_path, monkeypatch, fenced):
    """Without the fence, the negative control, it commits to the end."""
    path = tmp_path / "run"
    started(path, made)
    overtaken: list[dict[Path, int]] = []
    write_records = DirectoryStorage.check_generation

    def check(storage: DirectoryStorage) -> None:
        if len(overtaken) < 2 and storage.manifest.generation == 2:
            overtaken.append({})
        elif not overtaken[-1]:
            write_manifest(path, read_manifest(path).replace(generation=3))
            overtaken[-1] |= _files(path)
        if fenced:
            write_records(storage)

    monkeypatch.setattr(DirectoryStorage, "check_generation", check)
    report = train_block(str(path), 0, 2)
    assert overtaken[-1]
    if fenced:
        assert report.outcome == STALE
        assert "start number 3" in report.message
        assert _files(path) == overtaken[-1]
    else:
        assert report.outcome == FINISHED
        assert _files(path) != overtaken[-1]


def _files(path: Path) -> dict[Path, int]:
    return {
        file: file.stat().st_mtime_ns for file in (path / "trajectories.zarr").rglob("*") if file.is_file()
    }


def test_a_block_that_somebody_does_not_leave_is_busy(made, tmp_path):
    path = tmp_path / "run"
    started(path, made)

    class Nobody:
        def stopping(self) -> bool:
            return False

    with hold_block(path, 0) as owned:
        assert owned
        report = work_on(BlockTask(path, 0, 2, wait=0.0), pytest.fail, Nobody())
    assert report.outcome == BUSY
    assert f"process {os.getpid()} on host" in report.message


@pytest.mark.parametrize("prepared", [True, False])
def test_a_worker_overtaken_while_it_prepares_never_owns_the_block(made, tmp_path, monkeypatch, prepared):
    """The next owner need not wait for its imports. A worker that owns first, the negative control, is in the log."""
    monkeypatch.setattr("thermograd.ensemble.stop_file.LOOK_SECONDS", 0.0)
    path = tmp_path / "run"
    started(path, made)
    before = read_owners(path, 0)
    prepare = worker_module._workplace

    def overtaken(*arguments):
        made_ready = prepare(*arguments)
        write_manifest(path, read_manifest(path).replace(generation=3))
        return made_ready

    monkeypatch.setattr(worker_module, "_workplace", overtaken)
    if not prepared:
        monkeypatch.setattr(worker_module, "_prepare", lambda workplace: None)
    report = train_block(str(path), 0, 2)
    assert report.outcome == STALE
    assert "start number 3" in report.message
    assert (read_owners(path, 0) == before) is prepared


def test_a_worker_does_not_take_the_manifest_of_a_later_start_for_its_own(made, tmp_path):
    path = tmp_path / "run"
    started(path, made, generation=3)
    with pytest.raises(RunInUseError, match="start number 3 owns the run now, this is number 2"):
        worker_module._workplace(path, read_manifest(path).run_id, 2, 0)


def test_a_busy_block_is_told_when_the_others_are_done(made, tmp_path, monkeypatch, truth):
    monkeypatch.setattr("thermograd.ensemble.block_work.WAIT_SECONDS", 0.0)
    path = tmp_path / "run"
    run(made(), store=path, until=7)
    said: list[str] = []
    with (
        hold_block(path, 3),
        logged_owner(path, 3, 1),
        pytest.raises(RunInUseError, match=r"block 3 is still owned.*the other blocks are done"),
    ):
        resume(path, launch=Launch(say=said.append))
    assert re.match(
        rf"workers of an earlier start are still at work: block 3 \(process {os.getpid()} on host .*up to 30 s",
        said[0],
    )
    assert open_run(path).state == "interrupted"
    assert open_run(path).committed.tolist() == [20, 20, 20, 7, 20]
    assert everything(resume(path)) == truth


def test_the_stop_file_of_this_start_stops_and_a_step_in_it_is_kept(made, tmp_path, monkeypatch):
    monkeypatch.setattr("thermograd.ensemble.stop_file.LOOK_SECONDS", 0.0)
    path = tmp_path / "run"
    started(path, made)
    for request, stopping, step in (
        (StopRequest(1), False, None),
        (StopRequest(2, 9), False, 9),
        (StopRequest(2), True, None),
    ):
        ask_to_stop(path, request)
        watch = StopWatch(path, 2)
        assert (watch.stopping(), watch.until) == (stopping, step)
    ask_to_stop(path, StopRequest(2, 9))
    watch = StopWatch(path, 2)
    assert not watch.stopping()
    write_manifest(path, read_manifest(path).replace(generation=3))
    with pytest.raises(RunInUseError, match="start number 3"):
        watch.stopping()
