"""Two-time displacement of an ensemble: the table of a run against weights saved at every step, aging read from it."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.estimators import aging
from thermograd.minibatching.without_replacement import WithoutReplacement
from thermograd.numerics.log_times import Every, Logarithmic
from thermograd.observables.loss import Loss
from thermograd.observables.two_time_displacement import TwoTimeDisplacement
from thermograd.problems.digits import Digits


def experiment(**changes):
    settings = {
        "dynamics": SGD(learning_rate=0.05),
        "minibatching": WithoutReplacement(batch_size=50),
        "observe": [TwoTimeDisplacement(by="layer")],
        "trajectories": 3,
        "steps": 120,
        "seed": 1,
        "dtype": "float64",
        "block_size": 2,
    }
    problem = Digits(hidden=(2, 2), train_samples=200, regulariser=1e-4, initial="glorot")
    return Experiment(problem, **settings | changes)


@pytest.mark.parametrize("engine", ["eager", "kernel"])
def test_every_entry_is_that_of_the_saved_weights(engine):
    pytest.importorskip("sklearn")
    done = run(experiment(engine=engine, save_weights=Every(1)))
    found = aging.table(done)
    saved = done.saved_weights()
    path = np.concatenate([value.reshape(*value.shape[:2], -1) for value in saved.values()], axis=2)
    for row, waiting in enumerate(found.waiting_times):
        for column, lag in enumerate(found.lags):
            if waiting + lag > 120:
                assert np.isnan(found.squared[:, row, column]).all()
                continue
            moved = ((path[:, waiting + lag] - path[:, waiting]) ** 2).sum(axis=1)
            np.testing.assert_allclose(found.squared[:, row, column, 0], moved, rtol=1e-9)
            np.testing.assert_allclose(found.squared[:, row, column, 1:].sum(axis=1), moved, rtol=1e-9)
    assert found.groups[0] == "all"
    assert len(found.groups) == 4


def test_a_directory_gives_the_same_table_and_an_unfinished_one_what_it_has(tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("sklearn")
    whole = aging.table(run(experiment()))
    first = aging.table(run(experiment(), store=tmp_path / "run", until=50))
    known = whole.squared[:, : first.waiting_times.size, : first.lags.size]
    there = np.isfinite(first.squared)
    assert there.any()
    np.testing.assert_array_equal(first.squared[there], known[there])
    again = aging.table(run(experiment(), store=tmp_path / "run"))
    np.testing.assert_array_equal(again.squared, whole.squared)


def test_the_aging_exponent_of_a_small_ensemble_says_what_it_rests_on():
    pytest.importorskip("sklearn")
    done = run(
        experiment(
            observe=[Loss(at=Logarithmic(8)), TwoTimeDisplacement(first_waiting=10)],
            trajectories=4,
            steps=2000,
        )
    )
    found = aging.aging_exponent(aging.table(done), waiting=(10, None))
    assert found.exponent is not None
    assert "4 trajectories" in str(found)
    phases = aging.learning_phases(done.times("train_loss"), done["train_loss"])
    assert phases.verdict.text
