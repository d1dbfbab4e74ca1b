"""Saved weights of a run as points: what is read, left out and refused."""

import numpy as np
import pytest

pytest.importorskip("zarr")

import thermograd as tg
from thermograd.dynamics import SGD
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


def test_a_run_directory(tmp_path):
    trained(folder=tmp_path / "kept")
    assert saved_weights(tmp_path / "kept").trajectories.shape == (3, 11, 2)


def test_diverged_trajectories_are_left_out():
    found = SavedWeights(trained(rate=1e30))
    with pytest.raises(NothingCommittedError, match="no trajectory has all its weights"):
        _ = found.trajectories


def test_unequal_spacing_is_refused():
    with pytest.raises(ConfigError, match="not equally spaced"):
        _ = SavedWeights(trained(save=Logarithmic(4))).steps


def test_too_many_parameters_for_a_matrix():
    found = SavedWeights(trained(curvatures=tuple(np.linspace(0.1, 1, 2001))))
    with pytest.raises(ConfigError, match="2001 parameters, too many"):
        _ = found.trajectories
