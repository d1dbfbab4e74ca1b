"""How far curves of different ages are apart: closed forms, the same ages at every lag, no merging of noise."""

from dataclasses import replace

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.curve_spread import curve_spread
from thermograd.estimators.displacement_table import DisplacementTable

AGES = np.array([1, 2, 4, 8])
LAGS = 2 ** np.arange(14)


def simple_aging():
    """Δ = ln(1 + t/t_w)."""
    return DisplacementTable(AGES, LAGS, np.log1p(LAGS / AGES[:, None])[None, ..., None], [1])


def test_the_spread_is_that_of_the_logarithms():
    found = curve_spread(simple_aging(), waiting=(None, None))
    expected = np.log(np.log1p(LAGS / AGES[:, None])).std(axis=0)
    np.testing.assert_allclose(found.spread, expected)
    first = int(np.argmax(expected < expected[0] / 2))
    assert found.merging_lag.value == LAGS[first]
    assert found.merging_lag.interval == (LAGS[first - 1], LAGS[first])
    assert found.merging_lag.note == "one run"


def test_only_lags_that_all_ages_have_are_compared():
    """Without this, fewer and fewer ages at long lags would look like merging."""
    table = simple_aging()
    squared = table.squared.copy()
    squared[:, 3, 8:] = np.nan
    found = curve_spread(replace(table, squared=squared), waiting=(None, None))
    assert np.isnan(found.spread[8:]).all()
    assert np.isfinite(found.spread[:8]).all()
    fewer = curve_spread(replace(table, squared=squared), waiting=(None, 4))
    assert np.isfinite(fewer.spread).all()


def test_parallel_curves_never_merge_though_late_ages_have_few_lags():
    """The control: Δ = t/t_w, measured up to one last step. All ages that a lag has, ever fewer, would merge."""
    ages, last = np.array([10, 30, 100, 300, 1000]), 2100
    curves = np.where(ages[:, None] + LAGS <= last, LAGS / ages[:, None], np.nan)
    table = DisplacementTable(ages, LAGS, curves[None, ..., None], [1])
    naive = [
        np.nanstd(np.log(column[np.isfinite(column)])) for column in curves.T if np.isfinite(column).any()
    ]
    assert naive[-1] < naive[0] / 2
    found = curve_spread(table)
    assert found.waiting_times.tolist() == [10, 30, 100]
    assert found.merging_lag is None
    assert "do not merge" in str(found)


def test_a_walk_that_ages_merges_and_the_interval_holds_the_exact_lag(step_variance_walk):
    walk = step_variance_walk(0.5, last=1000)
    exact = curve_spread(walk.exact())
    found = curve_spread(walk.simulate(24, 100))
    assert found.merging_lag.low <= exact.merging_lag.value <= found.merging_lag.high
    assert found.merging_lag.high <= 3 * found.merging_lag.low
    assert found.waiting_times.max() <= walk.steps / 10


def test_curves_that_are_one_do_not_merge(step_variance_walk):
    found = curve_spread(step_variance_walk(0.0, last=1000).simulate(24))
    assert np.nanmax(found.spread) < 0.1
    assert found.merging_lag is None


def test_a_displacement_of_zero_has_no_logarithm():
    table = simple_aging()
    squared = table.squared.copy()
    squared[:, 0, 0] = 0
    assert np.isnan(curve_spread(replace(table, squared=squared), waiting=(None, None)).spread[0])


def test_too_few_waiting_times_are_refused():
    with pytest.raises(ConfigError, match=r"holds 2 measured waiting times, 3 are needed"):
        curve_spread(simple_aging(), waiting=(4, None))
