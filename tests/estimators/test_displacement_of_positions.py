"""The table of stored weights against two loops over pairs of times."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_of_positions import mean_square_displacement
from thermograd.estimators.displacement_table import DisplacementTable


def naive(positions, times, waiting_times, lags):
    rows = {int(time): row for row, time in enumerate(times)}
    squared = np.full((len(positions), len(waiting_times), len(lags)), np.nan)
    for i, waiting in enumerate(waiting_times):
        for j, lag in enumerate(lags):
            if waiting in rows and waiting + lag in rows:
                away = positions[:, rows[waiting + lag]].astype(float) - positions[:, rows[waiting]]
                squared[:, i, j] = (away**2).sum(axis=1)
    return squared


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_every_pair(kind):
    times = np.array([0, 3, 4, 8, 9, 20])
    positions = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(kind)
    table = mean_square_displacement(positions, times, waiting_times=[0, 3, 5, 9], lags=[1, 5, 11, 30])
    expected = naive(positions, times, [0, 3, 5, 9], [1, 5, 11, 30])
    np.testing.assert_allclose(table.squared[..., 0], expected, rtol=1e-6 if kind == np.float32 else 1e-13)
    np.testing.assert_allclose(
        table.anchor_norms[:, [0, 1, 3], 0], np.square(positions[:, [0, 1, 4]]).sum(axis=2), rtol=1e-6
    )
    assert np.isnan(table.anchor_norms[:, 2]).all()  # step 5 was not stored
    assert table.sizes.tolist() == [5]
    assert table.eps == 0


def test_many_pairs_are_taken_some_at_a_time(monkeypatch):
    monkeypatch.setattr("thermograd.estimators.displacement_of_positions._NUMBERS_AT_ONCE", 40)
    positions = np.random.default_rng(1).normal(size=(3, 50, 2))
    table = mean_square_displacement(positions, np.arange(50))
    expected = naive(positions, range(50), table.waiting_times, table.lags)
    np.testing.assert_allclose(table.squared[..., 0], expected)


def test_two_axes_are_one_trajectory_and_any_strides_will_do():
    positions = np.random.default_rng(2).normal(size=(6, 30))
    table = mean_square_displacement(positions.T[::3], np.arange(10))
    expected = naive(positions.T[::3][None], range(10), table.waiting_times, table.lags)
    np.testing.assert_allclose(table.squared[..., 0], expected)


def test_lags_go_8_per_decade_in_units_of_the_spacing():
    table = mean_square_displacement(np.zeros((101, 1)), 50 * np.arange(101))
    assert table.waiting_times.tolist() == list(range(0, 5000, 50))
    assert (table.lags[:6] / 50).tolist() == [1, 2, 3, 4, 6, 7]  # round(10^(j/8)) = 1, 1, 2, 2, 3, 4, 6, 7
    assert table.lags[-1] == 5000


def test_a_trajectory_that_diverged_stays_in_the_table():
    positions = np.ones((2, 4, 3))
    positions[1, 2:] = np.nan
    squared = mean_square_displacement(positions, [0, 1, 2, 3], waiting_times=[0], lags=[1, 2, 3]).squared[
        :, 0, :, 0
    ]
    assert squared[0].tolist() == [0, 0, 0]
    assert np.isfinite(squared[1]).tolist() == [True, False, False]


def test_half_precision_is_subtracted_in_single_and_its_rounding_is_known():
    """The square of 300 overflows half precision."""
    positions = np.array([[100.0], [400.0]], np.float16)
    table = mean_square_displacement(positions, [0, 1])
    assert table.squared.item() == 90_000
    assert table.eps == pytest.approx(2.0**-10)


@pytest.mark.parametrize(
    ("positions", "times", "words"),
    [
        (np.zeros(3), [0, 1, 2], r"shape \(3,\)"),
        (np.zeros((3, 0)), [0, 1, 2], r"shape \(3, 0\)"),
        (np.zeros((3, 1), complex), [0, 1, 2], "complex128"),
        (np.zeros((3, 1)), [0, 1], "one step for each of the 3 positions"),
        (np.zeros((1, 1)), [0], "2 or more"),
        (np.zeros((3, 1)), [0, 2, 1], "increasing"),
        (np.zeros((3, 1)), [0, 0.5, 1], "whole numbers"),
        (np.zeros((3, 1)), [-1, 0, 1], "from 0 on"),
    ],
)
def test_what_does_not_fit_is_refused(positions, times, words):
    with pytest.raises(ConfigError, match=words):
        mean_square_displacement(positions, times)


def test_times_without_a_pair_are_refused():
    with pytest.raises(ConfigError, match=r"no two of the 3 times 0 to 9 .* equal spacing"):
        mean_square_displacement(np.zeros((3, 1)), [0, 4, 9], lags=[2, 3])


def test_weights_that_are_nan_are_counted_and_kept(tmp_path):
    weights = np.arange(12.0)[:, None] * np.ones(3)
    weights[9:] = np.nan
    found = mean_square_displacement(weights, np.arange(12), lags=[1, 2])
    assert found.infinite == 3 + 3  # from times 8, 9, 10 at lag 1, and 7, 8, 9 at lag 2
    assert "6 distances are left out" in found.note
    found.save(tmp_path / "table.npz")
    assert DisplacementTable.load(tmp_path / "table.npz").note == found.note
