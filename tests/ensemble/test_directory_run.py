"""The coordinator with a tiny loop: failures, fences, stops, and what is refused."""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
import time

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer, everything

from thermograd.ensemble.directory_run import run_in_directory, train_in_directory
from thermograd.ensemble.executors.inline import Inline
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run
from thermograd.errors import (
    BlockFailedError,
    ConfigError,
    DiskFullError,
    ExperimentMismatchError,
    ForeignDirectoryError,
    RunInUseError,
)
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import Displacement, Loss
from thermograd.problems import Quadratic
from thermograd.store import flushed_store, lock
from thermograd.store.atomic_file import make_folder
from thermograd.store.manifest import read_manifest, write_manifest
from thermograd.store.options import StoreOptions
from thermograd.store.reader import open_run

SMALL = StoreOptions(time_chunk=4)


@pytest.fixture
def truth(tmp_path) -> dict[str, bytes]:
    return everything(
        train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "truth", Launch(options=SMALL))
    )


class Flaky(LogisticTrainer):
    """Fails the first so many times."""

    def __init__(self, experiment: LogisticMap, times: int, error: Exception) -> None:
        super().__init__(experiment)
        self.times, self.error = times, error

    def train(self, block, sink, *, until=None, progress=None) -> None:
        if block == 1 and self.times:
            self.times -= 1
            super().train(block, sink, until=6)
            raise self.error
        super().train(block, sink, until=until, progress=progress)


def test_one_failure_is_retried_from_the_checkpoint(tmp_path, truth):
    trainer = Flaky(LogisticMap(), 1, ValueError("once"))
    found = train_in_directory(trainer, tmp_path / "run", Launch(options=SMALL))
    assert trainer.calls == [0, 1, 1, 2]
    assert everything(found) == truth
    assert found.failures == ()


def test_two_failures_fail_the_block_and_the_others_go_on(tmp_path, truth):
    said: list[str] = []
    trainer = Flaky(LogisticMap(), 2, ValueError("always"))
    found = train_in_directory(trainer, tmp_path / "run", Launch(options=SMALL, say=said.append))
    assert trainer.calls == [0, 1, 1, 2]
    (failure,) = found.failures
    assert (failure.block, failure.kind, failure.message, failure.attempts) == (1, "ValueError", "always", 2)
    assert "raise self.error" in failure.traceback
    assert failure.step == 6
    assert found.outcome.tolist() == [1, 1, 3, 2, 1]
    assert found.state == "failed"
    assert not found.complete
    assert any("1 of 3 blocks failed" in note for note in found.notes)
    assert "block 1 failed: ValueError: always" in said
    assert "block_failed" in [event["event"] for event in found.events()]
    again = train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(options=SMALL))
    assert everything(again) == truth
    assert (again.failures, again.state) == ((), "finished")


def test_out_of_memory_is_not_retried_and_proposes_a_block_size(tmp_path):
    trainer = Flaky(LogisticMap(block_size=4), 2, MemoryError("8 GB"))
    found = train_in_directory(trainer, tmp_path / "run", Launch(options=SMALL))
    assert trainer.calls == [0, 1]
    assert "block_size = 1" in found.failures[0].message


def test_systematic_failure_stops_the_run(tmp_path):
    """More than 20 % of at least five blocks: two of six, so the fourth to sixth are never begun."""
    trainer = LogisticTrainer(LogisticMap(trajectories=12, failing=(0, 2)))
    with pytest.raises(
        BlockFailedError, match="2 of 6 blocks failed, so the run was stopped; block 0: RuntimeError"
    ):
        train_in_directory(trainer, tmp_path / "run", Launch(options=SMALL))
    assert trainer.calls == [0, 0, 1, 2, 2]
    assert open_run(tmp_path / "run").state == "failed"


def test_a_run_of_which_nothing_came_raises(tmp_path):
    with pytest.raises(BlockFailedError, match="all 1 blocks failed") as caught:
        train_in_directory(LogisticTrainer(LogisticMap(block_size=9, failing=(0,))), tmp_path / "run")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_later_start_ends_this_one_without_a_trace(tmp_path):
    path = tmp_path / "run"

    class Overtaken(LogisticTrainer):
        def train(self, block, sink, *, until=None, progress=None) -> None:
            if block == 1:
                write_manifest(path, read_manifest(path).replace(generation=9))
            super().train(block, sink, until=until, progress=progress)

    with pytest.raises(RunInUseError, match="start number 9"):
        train_in_directory(Overtaken(LogisticMap()), path, Launch(options=SMALL))
    assert read_manifest(path).generation == 9
    assert open_run(path).committed.tolist() == [12, -1, -1]


def test_a_stop_file_of_this_start_stops_it_and_another_does_not(tmp_path, truth, monkeypatch):
    monkeypatch.setattr("thermograd.ensemble.interruption._LOOK_SECONDS", 0.0)
    path = tmp_path / "run"

    def stopping(content: str) -> LogisticTrainer:
        class Stopping(LogisticTrainer):
            def train(self, block, sink, *, until=None, progress=None) -> None:
                if block == 1:
                    (path / "stop").write_text(content, encoding="utf-8")
                super().train(block, sink, until=until, progress=progress)

        return Stopping(LogisticMap())

    stopped = train_in_directory(stopping("1"), path, Launch(options=SMALL))
    assert stopped.state == "interrupted"
    assert stopped.committed.tolist() == [12, 0, -1]
    assert not (path / "stop").exists()
    assert everything(train_in_directory(stopping("1"), path, Launch(options=SMALL))) == truth


def test_a_thread_can_run_it_too(tmp_path, truth):
    """Signals belong to the main thread; elsewhere they are simply not listened to."""
    done: list[dict[str, bytes]] = []
    work = threading.Thread(
        target=lambda: done.append(
            everything(train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run"))
        )
    )
    work.start()
    work.join()
    assert done == [truth]


def test_fsync_changes_no_number(tmp_path, truth):
    options = StoreOptions(time_chunk=3, checkpoint_seconds=0.0, fsync=True)
    assert (
        everything(
            train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(options=options))
        )
        == truth
    )


def test_refused_places(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for name in ("file", "full"):
        with pytest.raises(ForeignDirectoryError):
            train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / name)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "empty").complete


def test_another_experiment_is_refused_with_both_values(tmp_path):
    path = tmp_path / "run"
    train_in_directory(LogisticTrainer(LogisticMap()), path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    other = LogisticTrainer(dataclasses.replace(LogisticMap(), rate=3.8, steps=11))
    with pytest.raises(
        ExperimentMismatchError, match=r"rate: 3\.9 in the run, 3\.8 given; steps: 12 in the run, 11 given"
    ):
        train_in_directory(other, path)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_in_use(tmp_path):
    path = tmp_path / "run"
    train_in_directory(LogisticTrainer(LogisticMap()), path, Launch(until=3))
    with lock.hold(path), pytest.raises(RunInUseError, match="is in use by process"):
        train_in_directory(LogisticTrainer(LogisticMap()), path)


def test_objects_that_no_text_can_make_again_run_inline_only(tmp_path):
    for choice in (None, "inline", {"kind": "inline"}, Inline()):
        train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(executor=choice))
    assert open_run(tmp_path / "run").complete
    with pytest.raises(ConfigError, match="read the experiment from the run directory"):
        train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "other", Launch(executor="process"))
    assert not (tmp_path / "other").exists()


def test_progress_is_told_and_ends_with_everything(tmp_path, monkeypatch):
    monkeypatch.setattr("thermograd.ensemble.progress.SECONDS_BETWEEN", 0.0)
    told = []
    train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(show=told.append))
    done = [progress.steps_done for progress in told]
    assert done == sorted(done)
    assert (done[-1], told[-1].steps_total, told[-1].blocks_done, told[-1].diverged) == (60, 60, 3, 1)
    assert told[-1].observable == "train_loss"


# with the real loop


def experiment(**changes) -> Experiment:
    fields = {
        "problem": Quadratic(),
        "minibatching": WithReplacement(10),
        "observe": [Loss(at=Every(3)), Displacement()],
        "save_weights": Every(5),
        "trajectories": 5,
        "block_size": 2,
        "steps": 20,
    }
    return Experiment(**{**fields, **changes})


def test_directory_and_memory_give_the_same_bits(tmp_path):
    memory, disk = run(experiment()), run(experiment(), store=tmp_path / "run")
    assert everything(memory) == everything(disk)
    for step in (0, 5, 20):
        np.testing.assert_array_equal(memory.weights(step)["position"], disk.weights(step)["position"])
    assert (memory.engine, memory.reason, memory.seed) == (disk.engine, disk.reason, disk.seed)


def test_until_and_resume_give_the_same_bits(tmp_path):
    whole = everything(run(experiment()))
    path = tmp_path / "run"
    for until in (0, 7, 15):
        assert not run(experiment(), store=path, until=until).complete
    assert everything(resume(path)) == whole
    generation = read_manifest(path).generation
    assert everything(run(experiment(), store=path)) == whole
    assert read_manifest(path).generation == generation == 4


def test_a_run_of_python_objects_resumes_only_with_them(tmp_path):
    import torch

    from thermograd.problems.problem import Problem

    def problem(offset: float) -> Problem:
        inputs = torch.linspace(-1, 1, 32, dtype=torch.float64)[:, None]
        return Problem(
            model=lambda: torch.nn.Linear(1, 1),
            loss=lambda outputs, targets: (outputs - targets).square().sum(-1),
            train=(inputs, 2 * inputs + offset),
        )

    path = tmp_path / "run"
    stopped = run(experiment(problem=problem(1.0)), store=path, until=5)
    assert stopped.manifest["python_objects"][:2] == ["problem.model", "problem.loss"]
    with pytest.raises(ConfigError, match=r"problem\.model.*experiment="):
        resume(path)
    with pytest.raises(ExperimentMismatchError, match=r"problem\.train"):
        resume(path, experiment=experiment(problem=problem(1.5)))
    finished = resume(path, experiment=experiment(problem=problem(1.0)))
    assert everything(finished) == everything(run(experiment(problem=problem(1.0))))


def test_run_in_directory_passes_progress_on(tmp_path):
    told: list[tuple[int, int]] = []
    run_in_directory(
        experiment(), tmp_path / "run", name="named", progress=lambda block, step: told.append((block, step))
    )
    assert told[-1] == (2, 20)
    assert open_run(tmp_path / "run").name == "named"


def test_a_write_still_under_way_leaves_nothing_of_a_run_that_could_not_be_made(tmp_path, monkeypatch):
    """Zarr tells of the first write that fails; here another one makes its folder again much later."""
    ended, write = threading.Event(), flushed_store.write_atomically

    def refusing(file, content):
        if "committed/c" not in str(file):
            write(file, content)
        elif file.name == "0":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        elif file.name == "1":
            time.sleep(0.3)
            make_folder(file.parent)
            write(file, content)
            ended.set()

    monkeypatch.setattr(flushed_store, "write_atomically", refusing)
    with pytest.raises(DiskFullError):
        train_in_directory(
            LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(options=StoreOptions(fsync=True))
        )
    assert ended.wait(20)
    time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
