"""Covariance of recorded states, against that of a linear process solved by scipy."""

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import covariance


def deviations(found, truth, level=0.95):
    """How many standard errors each element is off."""
    quantile = stats.t.ppf((1 + level) / 2, found.pieces - 1)
    return np.abs(found.value - truth) * 2 * quantile / (found.high - found.low)


@pytest.mark.parametrize(
    ("trajectories", "times", "pieces"), [(400, 1, 400), (40, 500, 40), (1, 40_000, None), (6, 5_000, None)]
)
def test_covariance_of_a_linear_process(turning, trajectories, times, pieces):
    found = covariance(turning.simulate(trajectories, times))
    assert (deviations(found, turning.covariance) < 4).all()
    assert found.value == pytest.approx(found.value.T, rel=1e-12)
    assert pieces is None or found.pieces == pieces
    assert found.pieces > 8
    assert found.note == ""


def test_snapshots_have_the_divisor_n_minus_1():
    states = np.random.default_rng(1).normal(size=(50, 1, 3)) @ np.array([[1.0, 0, 0], [2, 1, 0], [0, 0, 3]])
    assert covariance(states).value == pytest.approx(np.cov(states[:, 0].T), rel=1e-12)


def test_about_a_given_centre_it_is_the_second_moment():
    states = 1.0 + np.random.default_rng(2).normal(size=(30, 4, 2))
    found = covariance(states, centre=np.zeros(2))
    assert found.value == pytest.approx(np.einsum("rti,rtj->ij", states, states) / 120, rel=1e-12)


def test_a_measured_mean_does_not_bias_short_records(turning):
    """80 records of about 15 relaxation times: the plain mean square is 9 standard errors low, ours within 4."""
    slow = turning.covariance[2, 2]
    records = [turning.simulate(1, 300, seed=seed)[:, :, 2:] for seed in range(80)]
    ours = np.array([covariance(record).value[0, 0] for record in records]) / slow
    plain = np.array([record.var() for record in records]) / slow
    assert abs(ours.mean() - 1) < 4 * ours.std() / np.sqrt(80)
    assert plain.mean() < ours.mean() - 0.05


def test_a_single_trajectory_may_be_given_without_its_axis(turning):
    record = turning.simulate(1, 500)
    assert covariance(record[0]).value.tolist() == covariance(record).value.tolist()


def test_a_variance_has_no_negative_interval():
    """4 pieces and a t quantile above 3: the plain interval of a variance would reach below 0."""
    found = covariance(np.random.default_rng(4).normal(size=(4, 1, 2)) ** 3)
    assert (np.diagonal(found.low) > 0).all()
    assert "4 pieces only" in found.note


def test_a_parameter_that_never_moves_has_variance_0():
    states = np.random.default_rng(5).normal(size=(25, 10, 3))
    states[..., 1] = 7.0
    found = covariance(states)
    assert not found.value[1].any()
    assert not found.low[1].any()
    assert not found.high[1].any()


def test_rotated_trajectories_have_a_rotated_covariance(turning):
    rotation, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))
    record = turning.simulate(25, 50)
    rotated = covariance(record @ rotation.T).value
    assert rotated == pytest.approx(rotation @ covariance(record).value @ rotation.T, rel=1e-9)


def test_coarse_numbers_are_reported(turning):
    record = 1.0 + 1e-6 * turning.simulate(20, 50)
    assert "rounding dominates in 3 of 3 parameters" in covariance(record.astype(np.float32)).note
    assert covariance(record).note == ""
    assert covariance((1.0 + turning.simulate(20, 50)).astype(np.float32)).note == ""


def test_memory_is_bounded_for_many_parameters():
    """100 parameters, 3000 states: products of each state alone would be 240 MB."""
    states = np.random.default_rng(7).normal(size=(1, 3000, 100))
    found = covariance(states)
    assert found.value == pytest.approx(np.cov(states[0].T), abs=0.01)
    assert found.pieces >= 8


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (np.zeros((0, 5, 2)), "none of them 0"),
        (np.zeros(5), "must be \\(trajectory, time, parameter\\)"),
        (np.ones((2, 5, 2)), "trajectory 0 is constant"),
        (np.ones((1, 1, 2)), "one state only"),
        (np.ones((30, 5, 2)) * 1j, "complex128"),
    ],
)
def test_nothing_to_measure(trajectories, message):
    with pytest.raises(ConfigError, match=message):
        covariance(trajectories)


def test_the_first_bad_number_is_named():
    states = np.random.default_rng(8).normal(size=(3, 5, 2))
    states[1, 3, 0] = np.nan
    states[2, 0, 0] = np.inf
    with pytest.raises(ValueError, match="trajectory 1 is NaN or infinite at time 3"):
        covariance(states)


def test_one_dead_trajectory_is_named():
    states = np.random.default_rng(9).normal(size=(3, 5, 2))
    states[2] = 1.0
    with pytest.raises(ValueError, match="trajectory 2 is constant"):
        covariance(states)


def test_arguments_out_of_range():
    states = np.random.default_rng(10).normal(size=(3, 5, 2))
    with pytest.raises(ConfigError, match="level is 95"):
        covariance(states, level=95)
    with pytest.raises(ConfigError, match="centre has shape"):
        covariance(states, centre=[0.0])
