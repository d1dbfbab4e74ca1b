"""Renewal resampling against Eq. 5, closed forms and restarts simulated one by one."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times, restarted_times


@pytest.mark.data
@pytest.mark.parametrize("interval", [18, 20, 30, 50, 100])
def test_mean_is_eq_5_of_the_recorded_trainings(cifar10_accuracy, interval):
    passages = first_passage_times(cifar10_accuracy, 72)
    # Eq. 5 straight from the runs: mean time spent per start over the share of starts that arrive.
    spent = np.minimum(passages.time, interval).mean()
    share = (passages.reached & (passages.time <= interval)).mean()
    found = restarted_times(passages, interval)
    assert found.reached.all()
    assert found.time.mean() == pytest.approx(spent / share, abs=4 * found.time.std() / 100)


def test_distribution_is_that_of_restarts_one_by_one():
    generator = np.random.default_rng(90)
    times = np.where(generator.random(50) < 0.5, generator.integers(1, 6, 50), 30)
    passages = FirstPassageTimes(times, times < 30, 30)
    simulated = []
    for _ in range(20_000):
        total = 0
        while (time := generator.choice(times)) > 5:
            total += 5
        simulated.append(total + time)
    found = restarted_times(passages, 5, draws=20_000).time
    for quantile in (3, 6, 11, 16):
        one, two = (np.asarray(simulated) <= quantile).mean(), (found <= quantile).mean()
        # Two independent shares of 20 000: standard error at most 0.005; 4 sigma.
        assert one == pytest.approx(two, abs=0.02)


def test_restarting_a_memoryless_process_changes_nothing():
    times = np.random.default_rng(91).geometric(0.1, 4000)
    passages = FirstPassageTimes(times, np.ones(4000, bool), int(times.max()))
    found = restarted_times(passages, 7).time
    # 10 000 draws of standard deviation 9.5, from a hazard known to 1.6 %.
    assert found.mean() == pytest.approx(10.0, abs=4 * np.hypot(0.095, 0.16))


def test_the_seed_decides():
    passages = FirstPassageTimes([1, 3, 9], [True, True, False], 9)
    assert (restarted_times(passages, 4, seed=1).time == restarted_times(passages, 4, seed=1).time).all()
    assert (restarted_times(passages, 4, seed=1).time != restarted_times(passages, 4, seed=2).time).any()


@pytest.mark.parametrize(
    ("interval", "draws", "message"),
    [(6, 10, "from 1 to 5"), (0, 10, "from 1 to 5"), (2, 10, "none of 4 runs arrived by 2"), (4, 0, "draws")],
)
def test_arguments_that_cannot_be_used(interval, draws, message):
    # One run was lost at 5: whether it would have arrived by 6 is not known.
    passages = FirstPassageTimes([3, 5, 7, 9], [True, False, True, False], 9)
    with pytest.raises(ConfigError, match=message):
        restarted_times(passages, interval, draws=draws)
