from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from thermograd.report.spread import change, spread


def test_block_by_block_equals_numpy_on_the_whole_array(run_of):
    values = np.random.default_rng(0).normal(1e6, 1.0, (37, 12))
    found = spread(run_of({"loss": values}, block_size=5), "loss")
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, values.std(axis=0, ddof=1), rtol=1e-8)
    np.testing.assert_array_equal(found.count, 37)


def test_the_interval_of_the_mean_is_students(run_of):
    values = np.random.default_rng(1).normal(size=(10, 3))
    mean = spread(run_of({"loss": values}), "loss").estimate()
    half = student.ppf(0.975, 9) * values.std(axis=0, ddof=1) / np.sqrt(10)
    np.testing.assert_allclose(mean.high - mean.value, half)


def test_diverged_trajectories_are_left_out_from_the_beginning(run_of):
    values = np.ones((4, 5))
    values[2] = 100.0
    found = spread(run_of({"loss": values}, diverged_at=[-1, -1, 30, -1], block_size=2), "loss")
    np.testing.assert_array_equal(found.mean, 1.0)
    np.testing.assert_array_equal(found.count, 3)


def test_times_at_which_nothing_is_known_are_not_shown(run_of):
    values = np.ones((4, 5))
    values[:, 3:] = np.nan
    found = spread(run_of({"loss": values}), "loss")
    np.testing.assert_array_equal(found.steps, [0, 10, 20])


def test_at_most_the_asked_points_with_the_last_one(run_of):
    found = spread(run_of({"loss": np.zeros((2, 500))}), "loss", points=50)
    assert found.steps.size <= 50
    assert found.steps[-1] == 4990


def test_change_is_paired_within_trajectories(run_of):
    offsets = np.random.default_rng(2).normal(0, 100, (20, 1))
    values = offsets + np.array([[0.0, 0.5, 1.0]]) + np.random.default_rng(3).normal(0, 0.01, (20, 3))
    found = change(run_of({"loss": values}, block_size=7), "loss", 0, 20)
    assert found.value == pytest.approx(1.0, abs=0.02)
    assert found.high - found.low < 0.05  # unpaired it would be about 90


def test_one_trajectory_has_no_interval(run_of):
    run = run_of({"loss": np.arange(3.0)[None]})
    assert np.isnan(spread(run, "loss").estimate().low).all()
    assert np.isnan(change(run, "loss", 0, 20).value)
