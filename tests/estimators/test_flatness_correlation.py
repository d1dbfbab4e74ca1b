"""Correlations against scipy, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import flatness_correlation


def test_against_scipy_with_ties():
    rng = np.random.default_rng(0)
    traces, samples = rng.integers(1, 9, 30).astype(float), rng.choice([250, 500, 1000], 30)
    gaps = traces / samples + rng.normal(size=30) * 0.01
    gaps[3] = gaps[4]
    found = flatness_correlation(traces, gaps, samples)
    assert found.pearson.value == pytest.approx(stats.pearsonr(traces / samples, gaps).statistic, rel=1e-12)
    assert found.spearman.value == pytest.approx(stats.spearmanr(traces / samples, gaps).statistic, rel=1e-12)
    interval = stats.pearsonr(traces / samples, gaps).confidence_interval()
    assert found.pearson.interval == pytest.approx(tuple(interval), rel=1e-9)
    assert "Spearman" in str(found)


def test_intervals_hold_the_truth():
    """Bivariate normal of correlation ρ, whose rank correlation is (6/π) asin(ρ/2); 4 sigma below 95 % of 400."""
    rng, linear, ranks = np.random.default_rng(1), 0, 0
    for _ in range(400):
        x = rng.normal(size=24)
        y = 0.6 * x + 0.8 * rng.normal(size=24)
        found = flatness_correlation(x, y, 1)
        linear += found.pearson.low < 0.6 < found.pearson.high
        ranks += found.spearman.low < 6 / np.pi * np.arcsin(0.3) < found.spearman.high
    assert min(linear, ranks) >= 400 * 0.95 - 4 * np.sqrt(400 * 0.95 * 0.05)


def test_extremes_and_what_diverged():
    found = flatness_correlation([1, 2, 3, 4, np.nan], [1, 2, 3, 4, 0], 10)
    assert found.spearman.value == pytest.approx(1)
    assert found.spearman.high <= 1
    assert found.pearson.note == "1 trainings that diverged left out"
    assert flatness_correlation([1, 1, 1, 1], [1, 2, 3, 4], 10).pearson.value == 0


def test_bad_input():
    with pytest.raises(ConfigError, match="at least 4"):
        flatness_correlation([1, 2, 3], [1, 2, 3], 10)
    with pytest.raises(ConfigError, match="equal length"):
        flatness_correlation([1, 2, 3, 4], [1, 2, 3], 10)
    with pytest.raises(ConfigError, match="positive"):
        flatness_correlation([1, 2, 3, 4], [1, 2, 3, 4], 0)
