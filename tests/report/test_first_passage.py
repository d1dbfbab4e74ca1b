from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times, quasi_steady_state
from thermograd.report.first_passage import quasi_steady, survival, survivors


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


def drifting(drift, seed=0):
    time = np.arange(1, 61)
    return np.random.default_rng(seed).normal(0, 1, (300, 60)) + drift * time


@pytest.mark.parametrize(("drift", "words"), [(0.02, "have drifted"), (0.0, "cannot decide")])
def test_survivors_drift_or_the_data_cannot_decide(drift, words):
    values = drifting(drift)
    passages = first_passage_times(values, 1e3)
    figure = survivors(values, passages, 1e3)
    assert words in figure.conclusion
    column = figure.table["time (epochs)"].index(30)
    assert figure.table["median"][column] == pytest.approx(np.median(values[:, 29]))


def test_only_survivors_count():
    values = np.array([[0.0, 1.0, 50.0], [0.0, 0.2, 0.4], [0.0, 0.3, 0.6]])
    figure = survivors(values, first_passage_times(values, 1.0), 1.0)
    assert figure.table["survivors"] == [3, 2, 2]
    assert figure.table["median"] == pytest.approx([0.0, 0.25, 0.5])


def test_the_interval_of_the_median_covers_it():
    outside = 0
    for seed in range(200):  # at least 95 % each; more than 24 of 200 outside has probability below 1e-4
        values = np.random.default_rng(seed).exponential(size=(40, 2))
        text = survivors(values, first_passage_times(values, 20.0), 20.0).conclusion
        low, high = text.split("survivors is ")[1].split("(")[1].split(")")[0].split("–")
        outside += not float(low) <= np.log(2) <= float(high)
    assert outside <= 24


@pytest.mark.parametrize(
    ("settles", "words"), [(True, "are quasi-steady, from epoch"), (False, "Not robustly")]
)
def test_the_relaxation_is_marked_only_if_there_is_one(settles, words):
    time = np.arange(1, 61)
    approach = 5 * np.exp(-time / 4) if settles else 0.1 * time
    values = np.random.default_rng(1).normal(0, 1, (400, 60)) - approach
    steady = quasi_steady_state(values, first_passage_times(values, 1e3), window=(20, 60), resamples=50)
    figure = quasi_steady(steady)
    assert words in figure.conclusion
    assert len(figure.layout["shapes"]) == settles
