"""Standard errors of correlated records, against those of processes in closed form."""

import numpy as np
import pytest
from scipy.signal import lfilter

from thermograd.errors import ConfigError
from thermograd.numerics.block_average import block_average


def correlated(runs, times, correlation, seed=0):
    """x ← ρ x + noise, variance 1: the variance of its mean is (1 + ρ)/(1 − ρ) / n for n ≫ 1/(1 − ρ)."""
    noise = np.random.default_rng(seed).normal(size=(runs, times)) * np.sqrt(1 - correlation**2)
    noise[:, 0] /= np.sqrt(1 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], noise)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.97, -0.5])
def test_the_error_of_the_mean_of_a_correlated_record(correlation):
    """Mean over 40 records of the ratio to the truth; 4 standard errors of it, and up to 5 % of bias."""
    times = 2**14
    exact = np.sqrt((1 + correlation) / (1 - correlation) / times)
    ratios = np.array(
        [block_average(correlated(1, times, correlation, seed)).standard_error / exact for seed in range(40)]
    )
    assert abs(ratios.mean() - 1) < 0.05 + 4 * ratios.std() / np.sqrt(40)


def test_without_blocks_the_error_would_be_far_too_small():
    """Negative control: single entries taken for independent."""
    record = correlated(1, 2**14, 0.97)
    assert record.std() / 2**7 < 0.2 * block_average(record).standard_error


def test_the_slowest_component_decides():
    fast, slow = correlated(1, 4096, 0.0), correlated(1, 4096, 0.95, seed=1)
    both = block_average(np.stack([fast, slow], axis=-1))
    assert both.block_length == block_average(slow).block_length > block_average(fast).block_length
    assert both.pieces == 4096 // both.block_length
    assert both.mean.shape == both.standard_error.shape == (2,)


def test_a_record_no_longer_than_its_correlations_is_not_flat():
    found = block_average(correlated(1, 256, 0.99))
    assert not found.flat
    assert found.pieces == 4


def test_runs_are_independent_of_each_other():
    """6 runs of hardly 2 correlation times: the runs themselves are the pieces."""
    record = correlated(6, 200, 0.99)
    found = block_average(record)
    assert (found.pieces, found.block_length, found.flat) == (6, 200, True)
    assert found.standard_error == pytest.approx(record.mean(axis=1).std(ddof=1) / np.sqrt(6))


def test_two_entries_and_a_component_that_never_changes():
    found = block_average([[[1.0, 5.0], [3.0, 5.0]]])
    assert found.mean.tolist() == [2.0, 5.0]
    assert found.standard_error.tolist() == [1.0, 0.0]
    assert found.pieces == 2


@pytest.mark.parametrize("shape", [(1, 1), (5,), (0, 3)])
def test_nothing_to_average(shape):
    with pytest.raises(ConfigError, match="at least 2 entries"):
        block_average(np.zeros(shape))
