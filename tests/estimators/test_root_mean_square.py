"""The late root mean square of a norm."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import root_mean_square


def test_only_late_times_count_and_the_interval_holds_the_truth():
    rng, held = np.random.default_rng(0), 0
    steps = np.arange(0, 20_001, 500)
    for _ in range(100):
        norms = 0.3 * np.abs(rng.normal(size=(24, 41)))
        norms[:, steps < 10_000] = 50
        found = root_mean_square(norms, steps)
        held += found.low < 0.3 < found.high
    assert held >= 100 * 0.95 - 4 * np.sqrt(100 * 0.95 * 0.05)
    assert found.value == pytest.approx(np.sqrt(np.square(norms[:, 20:]).mean()))
    assert found.pieces == 24


def test_one_trajectory_and_one_that_diverged():
    norms = np.abs(np.random.default_rng(1).normal(size=400))
    assert root_mean_square(norms, np.arange(400), since=100).pieces > 2
    both = np.stack([norms, np.where(np.arange(400) > 300, np.nan, norms)])
    assert "1 trajectories that diverged left out" in root_mean_square(both, np.arange(400), since=100).note


def test_bad_input():
    with pytest.raises(ConfigError, match="last record is of step 9"):
        root_mean_square(np.ones(10), np.arange(10))
    with pytest.raises(ConfigError, match=r"\(trajectory, time\)"):
        root_mean_square(np.ones(10), np.arange(9))
