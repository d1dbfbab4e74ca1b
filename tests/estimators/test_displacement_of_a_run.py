"""The table that a run recorded, from arrays with the trajectory on axis 0."""

import numpy as np
import pytest

from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.estimators.displacement_of_a_run import code_points, table


class RecordedRun:
    """What `table` uses of a run: names, arrays by name, and when trajectories diverged."""

    def __init__(self, arrays, diverged_at):
        self.arrays, self.diverged_at = arrays, np.asarray(diverged_at)

    @property
    def names(self):
        return tuple(self.arrays)

    def __getitem__(self, name):
        return self.arrays[name]


def earlier(key, value):
    """The record before: one waiting time and one lag less."""
    cut = value.copy()
    missing = -1 if value.dtype.kind == "i" else np.nan
    if key in {"waiting_times", "lags", "squared", "anchor_norms"}:
        cut[:, -1] = missing
    if key == "squared":
        cut[:, :, -1] = missing
    return cut


def recorded(name="two_time_displacement", trajectories=3, diverged_at=(-1, -1, -1), unfinished=()):
    shared = {
        "waiting_times": np.array([1, 10]),
        "lags": np.array([1, 2, 4]),
        "sizes": np.array([6, 4]),
        "groups": code_points(("all", "layer.ä")),
        "relative_error": np.zeros(2),
        "eps": np.array(2.0**-7),
        "missed": np.array(2),
    }
    arrays = {key: np.repeat(value[None], trajectories, axis=0) for key, value in shared.items()}
    arrays["squared"] = np.random.default_rng(0).uniform(size=(trajectories, 2, 3, 2))
    arrays["anchor_norms"] = np.ones((trajectories, 2, 2))
    arrays = {key: np.stack([earlier(key, value), value], axis=1) for key, value in arrays.items()}
    for place in unfinished:
        for value in arrays.values():
            value[place] = -1 if value.dtype.kind == "i" else np.nan
    return RecordedRun({f"{name}/{key}": value for key, value in arrays.items()}, diverged_at)


def test_the_table_is_that_of_all_trajectories():
    run = recorded()
    found = table(run)
    assert found.waiting_times.tolist() == [1, 10]
    assert found.lags.tolist() == [1, 2, 4]
    assert found.groups == ("all", "layer.ä")
    assert found.sizes.tolist() == [6, 4]
    assert (found.eps, found.missed) == (2.0**-7, 2)
    np.testing.assert_array_equal(found.squared, run["two_time_displacement/squared"][:, -1])
    np.testing.assert_array_equal(found.anchor_norms, run["two_time_displacement/anchor_norms"][:, -1])


def test_a_record_of_another_name():
    assert table(recorded("layers"), "layers").trajectories == 3


def test_what_is_the_same_for_all_is_read_from_a_trajectory_that_has_it():
    found = table(recorded(unfinished=(0, 2)))
    assert found.waiting_times.tolist() == [1, 10]
    assert found.groups == ("all", "layer.ä")
    assert np.isfinite(found.squared).all(axis=(1, 2, 3)).tolist() == [False, True, False]


def test_a_trajectory_that_diverged_is_nan_from_its_start_on():
    run = recorded(diverged_at=(-1, 7, -1))
    assert np.isnan(table(run).squared).all(axis=(1, 2, 3)).tolist() == [False, True, False]
    assert np.isfinite(run["two_time_displacement/squared"][:, -1]).all()  # the run is as it was


def test_an_interrupted_run_gives_what_it_had_last():
    run = recorded()
    for values in run.arrays.values():
        values[:, -1] = -1 if values.dtype.kind == "i" else np.nan
    found = table(run)
    assert (found.waiting_times.tolist(), found.lags.tolist()) == ([1], [1, 2])
    np.testing.assert_array_equal(found.squared, run["two_time_displacement/squared"][:, 0, :1, :2])


def test_nothing_recorded_yet():
    with pytest.raises(NothingCommittedError, match="let it go on"):
        table(recorded(unfinished=(0, 1, 2)))


def test_no_such_record():
    with pytest.raises(
        ConfigError, match=r"no two-time displacement 'displacement'.*two_time_displacement\. Observe"
    ):
        table(recorded(), "displacement")
