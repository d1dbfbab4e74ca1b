"""Blocks that fail elsewhere: what is tried again, what is kept, what ends the run."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from logistic_map import everything
from poisoned import Poisoned

from thermograd.ensemble.failure_policy import fewer_blocks
from thermograd.ensemble.notice import notice_from
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.errors import BlockFailedError, DiskFullError
from thermograd.store.layout import Header
from thermograd.store.reader import open_run


@pytest.fixture(scope="module")
def poisoned(made):
    return made(minibatching=Poisoned(), trajectories=20, block_size=1, steps=6)


@pytest.fixture(scope="module")
def healthy(poisoned) -> dict[str, bytes]:
    return everything(run(poisoned))


def names(found) -> list[str]:
    return [event["event"] for event in found.events()]


@pytest.mark.slow  # in every run the reliability plan poisons blocks
def test_a_block_that_kills_its_worker_fails_alone(poisoned, healthy, tmp_path, monkeypatch):
    """It crashes in native code: 19 finish, and all 20 once the poison is gone."""
    monkeypatch.setenv("POISON", "crash 11 2")
    found = run(poisoned, store=tmp_path / "run", executor={"kind": "process", "workers": 1})
    assert found.state == "failed"
    assert np.flatnonzero(found.outcome != 1).tolist() == [11]
    (failure,) = found.failures
    assert (failure.block, failure.kind, failure.attempts) == (11, "WorkerLost", 2)
    assert "SIGSEGV" in failure.message
    assert failure.host
    assert [names(found).count(event) for event in ("worker_lost", "block_failed")] == [2, 1]
    others = np.setdiff1d(np.arange(20), 11)
    whole = np.frombuffer(healthy["train_loss"]).reshape(20, -1)
    np.testing.assert_array_equal(found["train_loss"][others], whole[others])
    assert np.isnan(found["train_loss"][11]).all()
    monkeypatch.delenv("POISON")
    again = resume(tmp_path / "run", allow_import=True)
    assert everything(again) == healthy
    assert (again.failures, again.state) == ((), "finished")


# below, a thread stands for the worker: the same task, without the seconds that a process takes to start


def test_an_exception_elsewhere_is_tried_twice_and_kept_with_its_traceback(
    poisoned, healthy, tmp_path, monkeypatch
):
    monkeypatch.setenv("POISON", "raise 3 4")
    with ThreadPoolExecutor(1) as threads:
        found = run(poisoned, store=tmp_path / "run", executor=threads)
        (failure,) = found.failures
        assert (failure.block, failure.kind, failure.message) == (3, "ArithmeticError", "poison")
        assert (failure.attempts, failure.step) == (2, -1)
        assert "poisoned.py" in failure.traceback
        content = json.loads((tmp_path / "run" / "blocks" / "00003" / "failure.json").read_bytes())
        assert set(content) == {"block", "kind", "message", "traceback", "step", "attempts", "host"}
        monkeypatch.delenv("POISON")
        assert everything(resume(tmp_path / "run", executor=threads, allow_import=True)) == healthy


def test_systematic_failure_elsewhere_stops_the_run(poisoned, healthy, tmp_path, monkeypatch):
    """More than 20 %: the fifth of twenty; those that were handed out already may fail too."""
    monkeypatch.setenv("POISON", ";".join(f"raise {trajectory} 1" for trajectory in range(20)))
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(BlockFailedError, match="5 of 20 blocks failed, so the run was stopped"):
            run(poisoned, store=tmp_path / "run", executor=threads)
        assert open_run(tmp_path / "run").state == "failed"
        assert 5 <= len(open_run(tmp_path / "run").failures) <= 7
        monkeypatch.delenv("POISON")
        assert everything(resume(tmp_path / "run", executor=threads, allow_import=True)) == healthy


class Evicting:
    """Runs blocks here, and wants the place of one of them back before it has done a step."""

    def __init__(self, block: int) -> None:
        self.block = block

    def submit(self, function, /, run: str, block: int, generation: int) -> Future:
        future: Future = Future()
        with notice_from(lambda: block == self.block):
            future.set_result(function(run, block, generation))
        return future


def test_a_place_that_is_always_taken_away_is_a_wall_clock_limit(poisoned, healthy, tmp_path):
    found = run(poisoned, store=tmp_path / "run", executor=Evicting(3))
    assert found.state == "failed"
    (failure,) = found.failures
    assert (failure.block, failure.kind, failure.attempts) == (3, "WallClockLimit", 3)
    assert "a wall-clock limit that is too short for it, or notice that comes too early" in failure.message
    assert np.flatnonzero(found.outcome != 1).tolist() == [3]
    again = resume(
        tmp_path / "run", executor=Evicting(-1), allow_import=True
    )  # the control: nobody is evicted
    assert (again.state, everything(again)) == ("finished", healthy)


def test_memory_that_runs_out_elsewhere_is_not_tried_again(made, tmp_path, monkeypatch):
    monkeypatch.setenv("POISON", "memory 1 1")
    with ThreadPoolExecutor(3) as threads:
        found = run(made(minibatching=Poisoned(), block_size=4), store=tmp_path / "run", executor=threads)
    (failure,) = found.failures
    assert (failure.kind, failure.attempts) == ("MemoryError", 1)
    assert "block_size = 1, or resume with fewer workers than 3" in failure.message


def test_a_full_disk_elsewhere_ends_the_run_resumably(poisoned, healthy, tmp_path, monkeypatch):
    monkeypatch.setenv("POISON", "full 3 4")
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(DiskFullError, match="thermograd resume") as caught:
            run(poisoned, store=tmp_path / "run", executor=threads)
        assert caught.value.exit_code == 4
        assert open_run(tmp_path / "run").state == "interrupted"
        assert open_run(tmp_path / "run").failures == ()
        assert not (tmp_path / "run" / "reserve").exists()
        monkeypatch.delenv("POISON")
        assert everything(resume(tmp_path / "run", executor=threads, allow_import=True)) == healthy


@pytest.mark.parametrize(
    ("trajectories", "block_size", "workers", "words"),
    [
        (
            100,
            50,
            4,
            "2 blocks for 4 workers: 2 will idle. A new run with block_size = 25 would use them all",
        ),
        (10, 10, 3, "1 block for 3 workers: 2 will idle. A new run with block_size = 4 would use them all"),
        (9, 9, 4, "1 block for 4 workers: 3 will idle. A new run with block_size = 2 would use them all"),
        (2, 1, 4, "2 trajectories cannot keep 4 workers busy"),
        (100, 25, 4, None),
        (100, 50, 0, None),
    ],
)
def test_fewer_blocks_than_workers(trajectories, block_size, workers, words):
    header = Header("", 0, trajectories, 5, 1, block_size, "eager", "", ())
    assert fewer_blocks(header, workers) == words
