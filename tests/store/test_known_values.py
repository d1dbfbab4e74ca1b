from __future__ import annotations

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.report.ends_of_runs import ends_of_runs
from thermograd.report.spread import spread
from thermograd.store.known_values import known_values
from thermograd.store.memory import MemoryStorage
from thermograd.store.reader import open_run
from thermograd.store.run import Run


def test_whole_numbers_that_were_not_recorded_are_nan(made):
    run = open_run(made)  # trajectory 3 diverges at step 6
    found = known_values(run, "count")
    assert found.dtype == np.float64
    assert np.isnan(found[3]).tolist() == [False, False, True]
    others = [0, 1, 2, 4]
    np.testing.assert_array_equal(found[others], run["count"][others])
    np.testing.assert_array_equal(known_values(run, "count", slice(2, 5), slice(1, 3)), found[2:5, 1:3])


def test_floats_keep_their_precision(made):
    run = open_run(made)
    assert known_values(run, "area/matrix").dtype == np.float32
    np.testing.assert_array_equal(known_values(run, "train_loss"), run["train_loss"])


@pytest.fixture
def stopped(tmp_path):
    """Stopped at step 5 of 12; `count` is recorded at 0, 4 and 12."""
    train_in_directory(LogisticTrainer(LogisticMap()), tmp_path / "run", Launch(until=5))
    return open_run(tmp_path / "run")


def test_what_is_not_committed_is_no_number(stopped):
    found = known_values(stopped, "count")
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2]).all()


def test_what_is_recorded_may_be_known_before_it_is_committed(made):
    trainer = LogisticTrainer(LogisticMap())
    storage = MemoryStorage(trainer.header(), trainer)
    sink = storage.sink(0)
    sink.record("count", 0, np.array([3, 4]))
    assert np.isnan(known_values(Run(storage), "count")).all()
    assert known_values(Run(storage), "count", reached=[0, -1, -1])[:2, 0].tolist() == [3, 4]


def test_no_mean_counts_what_is_not_known(stopped, tmp_path):
    assert spread(stopped, "count").steps.tolist() == [0, 4]
    train_in_directory(
        LogisticTrainer(LogisticMap(failing=(1,), diverging=())), tmp_path / "failed", Launch()
    )
    run = open_run(tmp_path / "failed")
    kept = [0, 1, 4]  # block 1 failed
    found = spread(run, "count")
    assert found.count.tolist() == [3, 3, 3]
    assert found.mean[-1] == run["count"][kept, -1].mean()
    ends = ends_of_runs({"a": run}, "count", "step", {"a": 1})
    assert np.isnan(ends.values["a"]).tolist() == [False, False, True, True, False]
