"""Which trajectories and waiting times are averaged, and what is said of the others."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_curves import displacement_curves
from thermograd.estimators.displacement_table import DisplacementTable


def table(squared, **fields):
    squared = np.asarray(squared, float)
    known = {"waiting_times": np.array([0, 1, 10, 100])[: squared.shape[1]], "lags": [1, 2], "sizes": [2]}
    return DisplacementTable(squared=squared[..., None], **(known | fields))


def curves(given, **options):
    return displacement_curves(given, group=0, per="parameter", **options)


def test_a_diverged_trajectory_is_left_out_and_counted():
    squared = np.ones((3, 2, 2))
    squared[0, 1, 1], squared[2, 1, 0] = np.nan, np.inf
    found = curves(table(squared))
    assert found.trajectories == 1
    assert found.note == "2 of 3 trajectories diverged or are unfinished and are left out"
    assert found.said() == found.few() == "one run"


def test_what_no_trajectory_has_was_not_measured():
    squared = np.ones((3, 3, 2))
    squared[:, 0, 1] = squared[:, 2] = np.nan
    found = curves(table(squared, missed=3))
    assert found.trajectories == 3
    assert found.waiting_times.tolist() == [0, 1]  # of the third nothing was measured
    np.testing.assert_array_equal(found.mean, [[0.5, np.nan], [0.5, 0.5]])
    assert found.note.startswith("3 distances were due")


def test_weighted_means_leave_gaps_where_they_are():
    squared = np.random.default_rng(0).uniform(size=(4, 2, 2))
    squared[:, 1, 1] = np.nan
    counts = np.array([[4, 0, 0, 0], [1, 1, 2, 0]])
    expected = np.stack([squared[0], (squared[0] + squared[1] + 2 * squared[2]) / 4]) / 2
    np.testing.assert_allclose(curves(table(squared)).weighted(counts), expected)


def test_resamples_come_in_parts_and_are_the_same(monkeypatch):
    found = curves(table(np.ones((5, 2, 2))))
    whole = np.concatenate(list(found.resampled(50, 3)))
    monkeypatch.setattr("thermograd.estimators.displacement_curves._NUMBERS_AT_ONCE", 28)
    parts = list(found.resampled(50, 3))
    assert [len(part) for part in parts] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (whole.sum(axis=1) == 5).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_all_diverged_or_nothing_measured(bad):
    with pytest.raises(
        ConfigError, match="none of its 4 distances" if np.isnan(bad) else "all of its 3 traj"
    ):
        curves(table(np.full((3, 2, 2), bad)))


def test_an_empty_table():
    with pytest.raises(ConfigError, match="none of its 0 distances was measured"):
        curves(DisplacementTable([], [1, 2], np.zeros((1, 0, 2, 1)), [4]))


def test_a_window_with_too_few_waiting_times_says_what_there_is():
    squared = np.arange(1, 9.0).reshape(1, 4, 2)
    with pytest.raises(
        ConfigError,
        match=r"waiting=\(5, None\) holds 2 measured waiting times, 3 are needed; the table has 4, 0 to 100, "
        r"with displacements from 2.5 to 4",
    ):
        curves(table(squared), waiting=(5, None), fewest=3)
    with pytest.raises(ConfigError, match=r"waiting is \(9, 2\)"):
        curves(table(squared), waiting=(9, 2))


def test_a_window_holds_its_ends():
    found = curves(table(np.ones((1, 4, 2))), waiting=(1, 10))
    assert found.waiting_times.tolist() == [1, 10]
    assert curves(table(np.ones((1, 4, 2))), from_step=1).waiting_times.tolist() == [1, 10, 100]


def test_the_floor_of_coarse_weights():
    """(eps |θ|)², per parameter."""
    norms = np.full((1, 2, 1), 9.0)
    found = curves(table(np.ones((1, 2, 2)), eps=2.0**-7, anchor_norms=norms))
    assert found.floor == pytest.approx(2.0**-14 * 9 / 2)
    given = table(np.ones((1, 2, 2)), eps=2.0**-7, anchor_norms=norms)
    assert displacement_curves(given, group=0, per="anchor").floor == pytest.approx(2.0**-14)
    assert curves(table(np.ones((1, 2, 2)))).floor == 0
