"""Intervals hold the truth as often as they say, on geometric first-passage times."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import FirstPassageTimes, extrapolated_mean, restricted_mean

HAZARD, HORIZON, RUNS, SETS = 0.02, 45, 400, 400


def drawn(generator, horizon):
    times = generator.geometric(HAZARD, RUNS)
    return FirstPassageTimes(np.minimum(times, horizon), times <= horizon, horizon)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimate", "truth"),
    [
        (extrapolated_mean, 1 / HAZARD),
        (restricted_mean, (1 - (1 - HAZARD) ** HORIZON) / HAZARD),
    ],
)
def test_intervals_cover(estimate, truth):
    generator = np.random.default_rng(70)
    data = [drawn(generator, HORIZON) for _ in range(SETS)]
    assert np.mean([one.censored_fraction for one in data]) == pytest.approx(0.4, abs=0.02)
    found = [estimate(one, resamples=500) for one in data]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
def test_the_plain_mean_of_censored_times_does_not_cover():
    """Negative control: taking the censoring time for the time of arrival."""
    generator = np.random.default_rng(71)
    covered = []
    for _ in range(100):
        times = drawn(generator, HORIZON).time
        covered.append(abs(times.mean() - 1 / HAZARD) < 2 * times.std() / np.sqrt(RUNS))
    assert np.mean(covered) < 0.05
