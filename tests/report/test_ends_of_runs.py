from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from thermograd.report.ends_of_runs import EndsOfRuns, ends_of_runs

RNG = np.random.default_rng(0)


def ends(seeds=(0, 1), **values):
    return EndsOfRuns(30.0, "epoch", values, dict(zip(values, seeds, strict=False)))


def test_independent_runs_are_compared_by_welch():
    one, other = RNG.normal(0, 1, 12), RNG.normal(0.5, 3, 40)
    gap = ends(a=one, b=other).difference("a", "b")
    expected = ttest_ind(other, one, equal_var=False).confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high))
    assert gap.value == pytest.approx(other.mean() - one.mean())


def test_runs_of_one_seed_are_compared_pair_by_pair():
    shared = RNG.normal(0, 10, 30)
    one, other = shared + RNG.normal(0, 0.1, 30), shared + 0.5 + RNG.normal(0, 0.1, 30)
    found = ends(seeds=(3, 3), a=one, b=other)
    expected = ttest_rel(other, one).confidence_interval(0.95)
    gap = found.difference("a", "b")
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high))
    assert "b ends above a by" in found.sentence()
    assert "trajectory by trajectory" in found.sentence()
    apart = ends(seeds=(3, 4), a=one, b=other)
    assert "cannot decide" in apart.sentence()  # common random numbers are what decides it


def test_a_pair_with_a_diverged_member_is_left_out():
    one, other = np.array([1.0, 2.0, 3.0, 50.0]), np.array([2.0, 3.1, 3.9, np.nan])
    assert ends(seeds=(0, 0), a=one, b=other).difference("a", "b").pieces == 3


def test_equal_runs_are_told_apart_no_more_often_than_promised():
    """False alarms among 10 equal runs: at most 5 % of the time, 4 sigma over 300 rounds."""
    wrong = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = {str(place): rng.normal(size=8) for place in range(10)}
        wrong += "of 45 pairs 0 differ" not in ends(seeds=range(10), **values).sentence()
    assert wrong / 300 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_many_runs_name_only_the_extremes():
    values = {str(place): place + RNG.normal(0, 0.1, 5) for place in range(12)}
    text = ends(seeds=range(12), **values).sentence()
    assert "At epoch 30: 0: " in text
    assert "11 ends above 0 by" in text
    assert "5: " not in text
    assert "of 66 pairs 66 differ" in text


def test_one_trajectory_each_decides_nothing():
    assert "cannot decide" in ends(a=np.array([1.0]), b=np.array([2.0])).sentence()
    assert "nothing can be compared" in ends(a=np.array([1.0]), b=np.array([np.nan])).sentence()


def test_runs_of_other_lengths_are_compared_where_both_were(run_of):
    long = run_of({"loss": np.tile(np.arange(21.0), (4, 1))})
    short = run_of({"loss": np.tile(np.arange(11.0), (4, 1))})
    found = ends_of_runs({"long": long, "short": short}, "loss", "epoch", {"long": 10, "short": 10})
    assert found.time == 10
    assert found.values["long"].tolist() == found.values["short"].tolist() == [10.0] * 4


def test_other_numbers_of_steps_per_epoch_are_compared_at_equal_epochs(run_of):
    coarse = run_of({"loss": np.tile(np.arange(21.0), (4, 1))}, steps_per_epoch=5)
    fine = run_of({"loss": np.tile(np.arange(13.0), (4, 1))}, steps_per_epoch=40)
    found = ends_of_runs({"a": coarse, "b": fine}, "loss", "epoch", {"a": 5, "b": 40})
    assert (found.time, found.values["a"][0], found.values["b"][0]) == (12, 12.0, 12.0)


def test_a_run_without_records_is_left_out(run_of):
    values = {"loss": np.ones((4, 5))}
    runs = {
        "a": run_of(values),
        "empty": run_of(values, committed=False),
        "other": run_of({"x": np.ones((4, 5))}),
    }
    found = ends_of_runs(runs, "loss", "epoch", dict.fromkeys(runs, 10))
    assert list(found.values) == ["a"]
    assert ends_of_runs({"empty": runs["empty"]}, "loss", "epoch", {"empty": 10}) is None
