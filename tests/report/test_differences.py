from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.differences import largest_difference, mean_of, which_is_larger


def means(shift, seed):
    generator = np.random.default_rng(seed)
    return {name: mean_of(generator.normal(shift * (name == "c"), 1, 50)) for name in "abc"}


def test_equal_means_are_seldom_called_different():
    wrong = sum(largest_difference(means(0, seed))[2].low > 0 for seed in range(300))
    assert wrong <= 32  # 5 % each; more than 32 of 300 has probability below 1e-4


def test_a_large_difference_is_found_and_named():
    lowest, highest, gap = largest_difference(means(3, 0))
    assert highest == "c"
    assert lowest in "ab"
    assert gap.low < 3 < gap.high
    assert "c lies above" in which_is_larger(means(3, 0))
    assert "cannot decide" in which_is_larger(means(0, 0))


def test_the_interval_of_the_mean_covers_it():
    inside = 0
    for seed in range(400):
        found = mean_of(np.random.default_rng(seed).normal(size=8))
        inside += found.low <= 0 <= found.high
    assert inside / 400 == pytest.approx(0.95, abs=0.045)  # 4 sigma


def test_one_value_has_no_interval():
    assert np.isnan(mean_of([2.0]).low)
    assert mean_of([2.0, np.nan]).value == pytest.approx(2.0)
