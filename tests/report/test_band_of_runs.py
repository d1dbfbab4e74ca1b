from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.report.band_of_runs import band_of_runs


def test_mean_and_deciles_are_those_of_the_trajectories_with_a_number():
    values = np.random.default_rng(0).normal(size=(21, 5))
    values[3:9, 2], values[:, 4] = np.nan, np.inf
    found = band_of_runs(np.arange(5), values)
    assert found.runs.tolist() == [21, 21, 15, 21, 0]
    assert found.mean[:4] == pytest.approx(np.nanmean(values[:, :4], axis=0))
    assert found.low[:4] == pytest.approx(np.nanquantile(values[:, :4], 0.1, axis=0))
    assert found.high[:4] == pytest.approx(np.nanquantile(values[:, :4], 0.9, axis=0))
    assert np.isnan([found.mean[4], found.low[4], found.high[4]]).all()


def test_one_run_is_its_own_band_and_nothing_is_empty():
    one = band_of_runs([1, 2], [3.0, 4.0])
    assert one.low.tolist() == one.high.tolist() == one.mean.tolist() == [3.0, 4.0]
    assert band_of_runs([], np.zeros((0, 0))).mean.size == 0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"values have shape \(2, 3\) and steps \(2,\)"):
        band_of_runs([1, 2], np.zeros((2, 3)))
