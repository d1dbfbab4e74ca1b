import numpy as np
import pytest
from scipy import stats

from thermograd.estimators.resampled_rows import half_width, interval_of_resamples, row_weights, rows_for

ROWS = np.random.default_rng(0).normal(size=(6, 3))


def test_interval_of_a_mean_is_students():
    """Up to the noise of 400 resamples, 4 standard deviations of their spread; means near 0, so not on logarithms."""
    low, high = interval_of_resamples(ROWS.mean(axis=0), row_weights(6, 0) @ ROWS, 6, 0.95)
    expected = stats.t.interval(0.95, 5, ROWS.mean(axis=0), stats.sem(ROWS, axis=0))
    assert np.allclose(high - low, expected[1] - expected[0], rtol=4 / np.sqrt(2 * 400))
    assert np.allclose((low + high) / 2, ROWS.mean(axis=0))


@pytest.mark.parametrize("rows", [4, 8])
def test_intervals_of_skewed_rows(rows):
    """Mean squares with 4 degrees of freedom, 4000 times: 93 to 97 % where 95 % are promised; the plain interval fails."""
    drawn = np.random.default_rng(rows).chisquare(4, (4000, rows)) / 4
    values, samples = drawn.mean(axis=1), row_weights(rows, 0) @ drawn.T
    low, high = interval_of_resamples(values, samples, rows, 0.95)
    assert 0.93 < np.mean((low < 1) & (1 < high)) < 0.97
    assert np.mean(np.abs(values - 1) < half_width(samples, rows, 0.95)) < 0.93
    assert (low > 0).all()


def test_positive_and_other_values_side_by_side():
    samples = row_weights(6, 0) @ np.array(
        [[1.0, -1.0], [2.0, 2.0], [2.0, 3.0], [1.0, 1.0], [3.0, 2.0], [2.0, 9.0]]
    )
    values = np.array([11 / 6, 16 / 6])
    low, high = interval_of_resamples(values, samples, 6, 0.9)
    assert high[0] / values[0] == pytest.approx(values[0] / low[0])
    assert high[1] - values[1] == pytest.approx(values[1] - low[1])
    assert interval_of_resamples(0.0, np.zeros(400), 6, 0.9) == (0, 0)


def test_weights_are_shares():
    weights = row_weights(5, 3)
    assert weights.shape == (400, 5)
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.array_equal(weights, row_weights(5, 3))
    assert not np.array_equal(weights, row_weights(5, 4))


def test_nothing_is_known_of_one_row_or_of_a_missing_value():
    assert half_width(row_weights(1, 0) @ ROWS[:1], 1, 0.95).tolist() == [np.inf] * 3
    samples = row_weights(6, 0) @ ROWS
    samples[3, 1] = np.nan
    assert np.isfinite(half_width(samples, 6, 0.95)).tolist() == [True, False, True]


def test_so_many_rows_have_that_width():
    half = float(half_width(row_weights(6, 0) @ ROWS[:, 0], 6, 0.95))
    for wanted in (half / 3, half / 1.2, half * 1.5):
        rows = rows_for(half, 6, wanted, 0.95)
        per_row = half * np.sqrt(6) / stats.t.ppf(0.975, 5)
        widths = [stats.t.ppf(0.975, count - 1) * per_row / np.sqrt(count) for count in (rows, rows - 1)]
        assert widths[0] <= wanted < widths[1]
    assert rows_for(half, 6, 0.0, 0.95) == rows_for(np.inf, 6, 1.0, 0.95) == np.inf
