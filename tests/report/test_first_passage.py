from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import FirstPassageTimes
from thermograd.report.first_passage import survival


def geometric(count=400, hazard=0.05, horizon=40, seed=0):
    time = np.random.default_rng(seed).geometric(hazard, count)
    return FirstPassageTimes(np.minimum(time, horizon), time <= horizon, horizon)


def test_survival_is_the_share_still_under_way():
    passages = geometric()
    figure = survival(passages)
    for time in (0, 7, 40):
        share = ((passages.time > time) | ~passages.reached & (time == 40)).mean()
        assert figure.table["share under way"][time] == pytest.approx(share)
    low, value, high = (np.array(figure.table[name]) for name in ("95 % from", "share under way", "to"))
    assert ((low <= value) & (value <= high)).all()
    assert np.abs(0.95 ** np.arange(41) - value).max() < 0.1


def test_some_censored_says_at_least_and_both_means():
    text = survival(geometric()).conclusion
    assert "The mean time is at least" in text
    assert "if the tail is exponential" in text


def test_all_arrived_has_one_mean():
    text = survival(FirstPassageTimes([3, 5], [True, True], 9)).conclusion
    assert text.startswith("All 2 runs arrived, in the mean after 4 (3–5) epochs.")


def test_none_arrived_cannot_be_decided():
    text = survival(FirstPassageTimes([9, 9], [False, False], 9)).conclusion
    assert "None of 2 runs arrived" in text
    assert "cannot decide" in text
