from __future__ import annotations

import json

import numpy as np
import pytest

from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run as train
from thermograd.ensemble.run_sink import log_means
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import Quadratic
from thermograd.store.layout import FAILED
from thermograd.store.reader import open_run
from thermograd.store.sinks import sink_of


class Collected(list):
    def __call__(self, values, step):
        self.append((step, dict(values)))


def experiment(**changed):
    settings = {"trajectories": 5, "steps": 12, "seed": 1, "block_size": 2, "observe": (Loss(at=Every(4)),)}
    return Experiment(Quadratic(), **(settings | changed))


def test_each_record_time_is_logged_once_with_the_mean():
    run, logged = train(experiment()), Collected()
    assert log_means(run, logged) == 12
    assert [step for step, _ in logged] == [0, 4, 8, 12]
    np.testing.assert_allclose([values["train_loss"] for _, values in logged], run["train_loss"].mean(axis=0))
    assert log_means(run, logged, after=12) == 12
    assert len(logged) == 4


def test_only_what_every_block_has_reached_is_logged():
    run, logged = train(experiment()), Collected()
    last = log_means(run, logged, reached=[12, 7, 12])
    assert last == 4
    assert (
        log_means(run, logged, after=last, reached=[12, 3, 12]) == 4
    )  # a block that is behind takes nothing back
    log_means(run, logged, after=last)
    assert [step for step, _ in logged] == [0, 4, 8, 12]


def test_a_run_in_a_folder_that_goes_on_gives_what_an_uninterrupted_one_gives(tmp_path):
    pytest.importorskip("zarr")
    whole, pieces = Collected(), Collected()
    log_means(train(experiment()), whole)
    last = -1
    for until in (5, 9, None):
        train(experiment(), store=tmp_path / "run", until=until)
        last = log_means(open_run(tmp_path / "run"), pieces, after=last)
    assert pieces == whole


def test_times_that_differ_and_what_is_not_finite():
    run = train(experiment(observe=(Loss(at=Every(4)), Loss(at=Every(6), name="other"))))
    values = run.source._arrays["train_loss"]
    values[0, 2:] = np.nan
    values[:, 3] = np.nan
    logged = Collected()
    log_means(run, logged)
    assert [(step, *values) for step, values in logged] == [
        (0, "train_loss", "other"),
        (4, "train_loss"),
        (6, "other"),
        (8, "train_loss"),
        (12, "train_loss", "other"),
    ]
    assert logged[3][1]["train_loss"] == pytest.approx(values[1:, 2].mean())
    assert np.isnan(logged[4][1]["train_loss"])


def test_blocks_that_failed_are_left_out():
    run, logged = train(experiment()), Collected()
    run.source._outcome[2:4] = FAILED
    log_means(run, logged, reached=[12, 3, 12])
    kept = run["train_loss"][[0, 1, 4]]
    np.testing.assert_allclose([values["train_loss"] for _, values in logged], kept.mean(axis=0))
    run.source._outcome[:] = FAILED
    assert log_means(run, logged, after=-1) == -1


def test_through_a_sink_into_a_file(tmp_path):
    run = train(experiment())
    log_means(run, sink_of(tmp_path / "log.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [0, 4, 8, 12]
    assert lines[-1]["train_loss"] == pytest.approx(run["train_loss"][:, -1].mean())
