"""A run directory read as recorded trajectories: the same numbers as the arrays, less what is not committed."""

from __future__ import annotations

import numpy as np
import pytest

import thermograd
from thermograd.cli import main
from thermograd.dynamics import SGD
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import first_passage_times
from thermograd.minibatching import WithReplacement
from thermograd.observables import Displacement, Loss, TwoTimeDisplacement
from thermograd.problems import Quadratic
from thermograd.store.reader import open_run
from thermograd.store.trajectories import load_trajectories

LOSS = (Loss("train"),)


def trained(folder, *, learning_rate=0.01, until=None, observe=LOSS, epochs=3):
    experiment = thermograd.Experiment(
        Quadratic(),
        dynamics=SGD(learning_rate=learning_rate),
        minibatching=WithReplacement(10),
        trajectories=5,
        epochs=epochs,
        observe=observe,
    )
    thermograd.run(experiment, store=folder, until=until)
    return open_run(folder)


def test_the_numbers_of_a_table_of_displacements_are_no_curves(tmp_path):
    run = trained(tmp_path / "run", observe=(Loss("train"), TwoTimeDisplacement()))
    assert run.scalars == ("train_loss",)
    assert (
        load_trajectories(tmp_path / "run").values.tolist()
        == load_trajectories(tmp_path / "run", metric="train_loss").values.tolist()
    )


def test_ends_of_epochs_without_time_0(tmp_path):
    run = trained(tmp_path / "run")
    read = load_trajectories(tmp_path / "run")
    steps = run.times("train_loss")
    ends = [int(np.flatnonzero(steps == epoch * run.steps_per_epoch)[0]) for epoch in (1, 2, 3)]
    assert read.times.tolist() == [1, 2, 3]
    assert (read.values == run["train_loss"][:, ends]).all()
    assert read.names == ("0", "1", "2", "3", "4")
    assert (read.unit, read.notes) == ("epoch", ())
    inside = load_trajectories(tmp_path / "run" / "trajectories.zarr")
    assert (inside.values == read.values).all()


def test_what_is_not_committed_is_left_out_and_said(tmp_path):
    run = trained(tmp_path / "run", until=45)
    read = load_trajectories(tmp_path / "run")
    assert run.steps_per_epoch == 20
    assert read.times.tolist() == [1, 2]
    assert not np.isnan(read.values).any()
    assert any("is interrupted: what is committed so far was read" in note for note in read.notes)


def test_a_diverged_trajectory_never_arrives(tmp_path):
    run = trained(tmp_path / "run", learning_rate=1e200)
    assert (run.diverged_at >= 0).all()
    read = load_trajectories(tmp_path / "run")
    assert np.isinf(read.values).all()
    passages = first_passage_times(read.values, 0.1, direction="down", times=read.times)
    assert passages.reached.tolist() == [False] * 5
    assert passages.time.tolist() == [3] * 5


def test_the_scalar_is_chosen_by_name(tmp_path):
    several = (*LOSS, Displacement(), Displacement(centre="zero", name="distance"))
    run = trained(tmp_path / "run", observe=several)
    read = load_trajectories(tmp_path / "run", metric="distance", scale=0.5)
    assert (read.values == run["distance"][:, 1:] / 2).all()
    with pytest.raises(ConfigError, match=r"several scalars; choose with metric: .*train_loss"):
        load_trajectories(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"no scalar 'distanc'\. Did you mean 'distance'"):
        load_trajectories(tmp_path / "run", metric="distanc")
    with pytest.raises(ConfigError, match="a folder without keys to choose 'x' from"):
        load_trajectories(tmp_path / "run", key="x")


def test_nothing_at_the_end_of_an_epoch_is_said(tmp_path):
    trained(tmp_path / "run", until=10)
    with pytest.raises(ConfigError, match="no train_loss is committed at the end of an epoch of 20 steps"):
        load_trajectories(tmp_path / "run")


def test_advice_from_a_run_directory(tmp_path, capsys):
    trained(tmp_path / "run", epochs=6)
    assert main(["advise", str(tmp_path / "run"), "--target", "0.001", "--direction", "down"]) == 0
    assert "0 of 5" in capsys.readouterr().out


def test_the_scalar_that_was_chosen_among_several_is_named(tmp_path):
    trained(tmp_path / "run", observe=(Loss("train"), Loss("train", name="test_accuracy")))
    (note,) = load_trajectories(tmp_path / "run").notes
    assert note.endswith("run: test_accuracy was read; it has train_loss too, chosen by metric (--metric)")
    assert load_trajectories(tmp_path / "run", metric="test_accuracy").notes == ()
