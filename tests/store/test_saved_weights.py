"""Saved weights of a run as points: what is read, left out and refused."""

import re

import numpy as np
import pytest

pytest.importorskip("zarr")

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.config import parse_config
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.numerics.log_times import Every, Logarithmic
from thermograd.problems.quadratic import Quadratic
from thermograd.store.saved_weights import SavedWeights, saved_weights


def trained(rate=0.1, save=None, folder=None, curvatures=(1.0, 0.5)):
    experiment = tg.Experiment(
        Quadratic(curvatures=curvatures),
        dynamics=SGD(rate),
        trajectories=3,
        steps=40,
        save_weights=save or Every(4),
        engine="eager",
    )
    return tg.run(experiment, folder)


def test_points_are_the_weights_of_each_time():
    run = trained()
    found = SavedWeights(run, since=8)
    assert found.steps.tolist() == list(range(8, 41, 4))
    assert found.trajectories.shape == (3, 9, 2)
    assert (found.trajectories[:, -1] == run.weights(40)["position"]).all()
    assert "weights of 3 trajectories at 9 times, steps 8 to 40, every 4" in found.described()


def test_a_run_gives_its_weights_since_a_step():
    run = trained()
    everything = run.saved_weights()["position"]
    assert (run.saved_weights(since=8)["position"] == everything[:, 2:]).all()
    assert (run.saved_weights(slice(3, 5), since=8)["position"] == everything[:, 3:5]).all()
    assert (run.saved_weights(slice(1, 5), since=9)["position"] == everything[:, 3:5]).all()
    assert run.saved_weights(since=41)["position"].shape == (3, 0, 2)


def test_a_run_that_observed_nothing_says_so():
    quiet = tg.run(tg.Experiment(Quadratic(), observe=(), steps=2, engine="eager"))
    assert str(quiet).endswith("recorded: weights only")


def test_a_run_directory(tmp_path):
    trained(folder=tmp_path / "kept")
    assert saved_weights(tmp_path / "kept").trajectories.shape == (3, 11, 2)


def test_diverged_trajectories_are_left_out():
    found = SavedWeights(trained(rate=1e30))
    with pytest.raises(NothingCommittedError, match="no trajectory has all its weights"):
        _ = found.trajectories


def test_unequal_spacing_is_refused():
    with pytest.raises(ConfigError, match="not equally spaced") as refused:
        _ = SavedWeights(trained(save=Logarithmic(4))).steps
    advised = re.search(r"save_weights = \{.*\}", str(refused.value))[0].replace("STEPS", "10")
    parse_config(f"problem = 'quadratic'\nsteps = 40\n{advised}", "advised.toml")


def test_too_many_parameters_for_a_matrix():
    found = SavedWeights(trained(curvatures=tuple(np.linspace(0.1, 1, 2001))))
    with pytest.raises(ConfigError, match="2001 parameters, too many"):
        _ = found.trajectories
