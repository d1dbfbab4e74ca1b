"""The multinomial bootstrap against drawing pieces one by one, and percentiles with infinite resamples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from thermograd.numerics.bootstrap import jackknife_acceleration, percentile_interval, resampled_counts

VALUES = np.array([1.0, 2.0, 5.0, 11.0])
COUNTS = np.array([10, 20, 5, 15])


def test_resampled_means_have_the_standard_error_of_the_mean():
    means = resampled_counts(COUNTS, 20_000, seed=1) @ VALUES / COUNTS.sum()
    pieces = np.repeat(VALUES, COUNTS)
    # The spread of 20 000 means is known to 0.5 %; 4 sigma.
    assert means.std() == pytest.approx(pieces.std() / np.sqrt(pieces.size), rel=0.02)
    assert means.mean() == pytest.approx(pieces.mean(), abs=4 * means.std() / np.sqrt(20_000))


def test_same_distribution_as_drawing_with_replacement():
    pieces = np.repeat(VALUES, COUNTS)
    draws = np.random.default_rng(5).choice(pieces, (20_000, pieces.size)).mean(axis=1)
    means = resampled_counts(COUNTS, 20_000, seed=2) @ VALUES / COUNTS.sum()
    deciles = np.arange(0.1, 1.0, 0.1)
    # Standard error of a decile of 20 000 is below 0.02 standard deviations; both sides vary.
    assert np.quantile(means, deciles) == pytest.approx(np.quantile(draws, deciles), abs=0.1 * draws.std())


def test_same_data_and_seed_give_the_same_draws_and_other_data_do_not():
    one = resampled_counts(COUNTS, 50, seed=3)
    assert (one == resampled_counts(COUNTS, 50, seed=3)).all()
    assert (one != resampled_counts(COUNTS, 50, seed=4)).any()
    other = resampled_counts(np.array([20, 10, 5, 15]), 2000, seed=3)
    mine = resampled_counts(COUNTS, 2000, seed=3)
    # Independent draws: the correlation of 2000 pairs is within 4 / sqrt(2000) of 0.
    assert abs(np.corrcoef(mine @ VALUES, other @ VALUES)[0, 1]) < 4 / np.sqrt(2000)


def test_equal_counts_of_other_outcomes_give_other_draws():
    once, outcomes = np.ones(6, int), np.arange(6)
    first, second = (
        resampled_counts(once, 50, seed=0, outcomes=(data,)) for data in (outcomes, outcomes + 1)
    )
    assert (first == resampled_counts(once, 50, seed=0, outcomes=(outcomes,))).all()
    assert (first != second).any()


@pytest.mark.parametrize(
    ("counts", "resamples", "words"), [([0, 0], 5, "at least one piece"), ([1, 2], -1, "resamples is -1")]
)
def test_nothing_to_draw_from_is_an_error(counts, resamples, words):
    with pytest.raises(ValueError, match=words):
        resampled_counts(np.array(counts), resamples, seed=0)


def test_percentiles_are_order_statistics_also_next_to_infinity():
    samples = np.array([3.0, 1.0, np.inf, 2.0, np.inf])
    low, high = percentile_interval(samples, 0.5)
    assert (low, high) == (2.0, np.inf)
    # Off an order statistic the ends are rounded outwards.
    assert percentile_interval(samples, 0.1) == (2.0, np.inf)


def test_percentiles_of_curves_are_taken_point_by_point():
    curves = np.stack([np.arange(11.0), 10.0 - np.arange(11.0)], axis=1)
    low, high = percentile_interval(curves, 0.8)
    assert low.tolist() == [1.0, 1.0]
    assert high.tolist() == [9.0, 9.0]


def test_few_normal_pieces_get_the_interval_of_student():
    generator = np.random.default_rng(8)
    error = 0.7 * np.sqrt(9 / 10)  # what resamples of 10 pieces spread by, if the standard error is 0.7
    samples = generator.normal(0.0, error, 400_000)
    low, high = percentile_interval(samples, pieces=10)
    # The 0.9 % quantile of 400 000 draws is known to 0.6 % of the spread; 4 sigma.
    assert high == pytest.approx(0.7 * stats.t.isf(0.025, 9), abs=0.025 * error)
    assert low == pytest.approx(-high, abs=0.05 * error)


def test_many_pieces_have_plain_percentiles_and_one_has_the_whole_range():
    samples = np.arange(1001.0)
    assert percentile_interval(samples) == (25.0, 975.0)
    # A tail a billionth longer may round to the next order statistic.
    assert percentile_interval(samples, pieces=1e9) == pytest.approx((25.0, 975.0), abs=1)
    assert percentile_interval(samples, pieces=1) == (0.0, 1000.0)


def test_acceleration_of_a_mean_is_its_skewness():
    pieces = np.repeat(VALUES, COUNTS)
    without = (pieces.sum() - VALUES) / (pieces.size - 1)
    expected = stats.skew(pieces) / (6 * np.sqrt(pieces.size))
    assert jackknife_acceleration(without, COUNTS) == pytest.approx(expected, rel=1e-12)
    assert jackknife_acceleration(np.array([1.0, np.inf]), np.array([1, 1])) == pytest.approx(0.0, abs=0.0)
    assert jackknife_acceleration(np.full(3, 0.1), np.ones(3)) == pytest.approx(0.0, abs=0.0)


def test_acceleration_gives_the_mean_of_exponential_times_its_exact_interval():
    """The sum of n exponential times is Gamma: the exact interval of their mean is n m / quantiles of it."""
    n, mean = 100, 1.0
    # Sample means about a data set of mean 1 that has exactly the skewness 2 of its law.
    samples = np.random.default_rng(9).gamma(n, mean / n, 400_000)
    low, high = percentile_interval(samples, acceleration=2 / (6 * np.sqrt(n)))
    exact = n / stats.gamma.isf([0.025, 0.975], n)
    plain = percentile_interval(samples)
    # Correct to second order: at n = 100 what is left is below 0.003, the plain interval is off by 0.016 and 0.024.
    assert (low, high) == pytest.approx(exact, abs=0.004)
    assert abs(plain[0] - exact[0]) > 0.012
    assert abs(plain[1] - exact[1]) > 0.012
