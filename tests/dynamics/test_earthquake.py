"""The shaken landscape: its stationary state against the closed form, and its update by hand."""

from __future__ import annotations

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics.earthquake import Earthquake
from thermograd.minibatching import WithReplacement
from thermograd.numerics.log_times import At, Every
from thermograd.observables.stochastic_area import StochasticArea
from thermograd.problems.quadratic import Quadratic


def shaken(**changes):
    arguments = {
        "problem": Quadratic(curvatures=(1.0, 0.4), samples=20),
        "minibatching": WithReplacement(batch_size=4),
        "dynamics": Earthquake(learning_rate=0.5, noise_scale=0.3),
        "trajectories": 40,
        "steps": 1000,
        "seed": 3,
        "dtype": "float64",
    }
    return tg.Experiment(**arguments | changes)


def test_covariance_grows_with_curvature_and_nothing_circulates():
    run = tg.run(shaken(observe=(StochasticArea(at=At((100, 1000))),)))
    window = {
        name: np.diff(np.asarray(run[f"stochastic_area/{name}"]), axis=1)[:, 0]
        for name in ("count", "sum", "second_moment", "area")
    }
    count = window["count"][:, None, None]
    mean = window["sum"] / window["count"][:, None]
    covariance = window["second_moment"] / count - mean[:, :, None] * mean[:, None, :]
    h = np.array([1.0, 0.4])
    exact = 0.5 * 0.3**2 * h / (2 - 0.5 * h)
    found = covariance[:, [0, 1], [0, 1]]
    error = found.std(axis=0, ddof=1) / np.sqrt(40)
    # the mean of a window takes away its own variance, which is about 2 correlation times over its length
    shortened = exact * (1 - np.array([1 + (1 - 0.5 * x) for x in h]) / (0.5 * h) / 900)
    assert (np.abs(found.mean(axis=0) - shortened) < 4 * error).all()
    swept = window["area"][:, 0, 1] / window["count"]
    assert abs(swept.mean()) < 4 * swept.std(ddof=1) / np.sqrt(40)
    assert exact[0] > 2 * exact[1]


def test_without_noise_it_is_gradient_descent():
    run = tg.run(shaken(dynamics=Earthquake(0.5, 0.0), steps=3, save_weights=Every(1), trajectories=2))
    first, second = (run.weights(step)["position"] for step in (0, 1))
    centre = np.random.default_rng(0).standard_normal((20, 2)).mean(axis=0)
    np.testing.assert_allclose(second, first - 0.5 * np.array([1.0, 0.4]) * (first - centre), atol=1e-12)


@pytest.mark.parametrize("name", ["learning_rate", "noise_scale"])
def test_what_is_refused(name):
    with pytest.raises(ValueError, match=name):
        Earthquake(**{name: -1.0})
