"""First-passage times against a loop over the values, and every input that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    first_passage_times,
    residual_times,
    restricted_mean,
    survival_function,
)

TABLES = arrays(
    float, some.tuples(some.integers(1, 6), some.integers(1, 8)), elements=some.integers(-3, 3).map(float)
)
EXHAUSTIVE = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def naive(values, target):
    """Row by row, value by value."""
    found = []
    for row in values:
        last = None
        for at, value in enumerate(row, start=1):
            if np.isnan(value):
                continue
            last = at
            if value >= target:
                found.append((at, True))
                break
        else:
            found.append((last, False))
    return found


@EXHAUSTIVE
@given(TABLES)
def test_agrees_with_the_loop(values):
    passages = first_passage_times(values, 1.0)
    assert list(zip(passages.time.tolist(), passages.reached.tolist(), strict=True)) == naive(values, 1.0)


@EXHAUSTIVE
@given(TABLES)
def test_down_is_up_of_the_negative(values):
    up, down = first_passage_times(values, 1.0), first_passage_times(-values, -1.0, direction="down")
    assert (up.time == down.time).all()
    assert (up.reached == down.reached).all()


def test_exactly_at_the_target_counts_and_the_first_value_has_time_1():
    passages = first_passage_times([[0.5, 0.9], [0.1, 0.5]], 0.5)
    assert passages.time.tolist() == [1, 2]
    assert passages.reached.all()
    assert passages.horizon == 2


def test_exactly_at_the_target_counts_in_the_precision_of_the_values():
    single = np.full((1, 1), 0.904, np.float32)
    assert first_passage_times(single, 0.904).reached.all()
    assert first_passage_times(single, np.float64(0.904), direction="down").reached.all()
    assert not first_passage_times(single.astype(float), 0.904).reached.any()


def test_times_are_those_of_the_columns_and_0_means_already_there():
    passages = first_passage_times([[1.0, 0, 0], [0, 0, 1.0]], 1.0, times=[0, 10, 20], unit="step")
    assert passages.time.tolist() == [0, 20]
    assert passages.unit == "step"


def test_nan_inside_is_skipped_and_nan_at_the_end_censors():
    nan = np.nan
    passages = first_passage_times([[0.1, nan, 0.9], [0.1, 0.2, nan], [0.1, nan, nan]], 0.9)
    assert passages.time.tolist() == [3, 2, 1]
    assert passages.reached.tolist() == [True, False, False]
    assert passages.horizon == 3


def test_runs_that_end_early_do_not_hide_what_the_others_show():
    # geometric arrivals with mean 25 within 100 epochs; 40 % of the runs end after epoch 3, for no reason of
    # their own. Psi(t) = (1 - q)^t exactly, and the mean of min(T, 40) is (1 - (1 - q)^40) / q.
    q, draw = 1 / 25, np.random.default_rng(5)
    arrival = draw.geometric(q, 2000)
    values = (np.arange(1, 101) >= arrival[:, None]).astype(float)
    values[draw.random(2000) < 0.4, 3:] = np.nan
    passages = first_passage_times(values, 1.0)
    assert 80 < passages.horizon <= 100
    survival = survival_function(passages, resamples=0, level=0.9999)
    at = np.array([3, 10, 25, 50, 75])
    truth = (1 - q) ** at
    assert (np.asarray(survival.low)[at] < truth).all()
    assert (truth < np.asarray(survival.high)[at]).all()
    mean = restricted_mean(passages, horizon=40, level=0.9999)
    exact = (1 - (1 - q) ** 40) / q
    assert mean.low < exact < mean.high
    assert mean.high - mean.low < 4.0
    # the control: watching up to the last censoring time of those that ended early knows 3 epochs
    assert restricted_mean(passages, horizon=3).high < 3.0 < exact


def test_the_horizon_never_exceeds_what_anybody_was_watched_for():
    nan = np.nan
    lost_early = first_passage_times([[0, 1, 1, 1], [0, 0, 1, 1], [0, nan, nan, nan]], 1.0)
    assert lost_early.horizon == 3
    lost_last = first_passage_times([[0, 1, 1, 1], [0, 0, 0, nan]], 1.0)
    assert lost_last.horizon == 3
    assert first_passage_times([[0, 1, 1, 1], [0, 0, 1, 1]], 1.0).horizon == 4


def test_nobody_left_at_risk_keeps_the_widest_band():
    # 40 of 50 runs end after epoch 1; the ten others arrive at 2, ..., 11: Psi(11) = 0 from one run at risk.
    values = np.full((50, 12), np.nan)
    values[:, 0] = 0.0
    values[:10] = np.arange(1, 13) >= np.arange(2, 12)[:, None]
    survival = survival_function(first_passage_times(values, 1.0), resamples=0)
    assert np.asarray(survival.value)[-1] <= 0.0
    assert np.asarray(survival.high)[-1] > 0.2
    widths = np.asarray(survival.high) - np.asarray(survival.low)
    assert widths[1] < 0.12


@pytest.mark.parametrize(
    ("values", "target", "direction", "asks"),
    [
        (
            [[39.0, 60.0], [41.0, 74.0]],
            7.2,
            "up",
            r"all 2 runs are past 7\.2 .* \(values 39 to 74\): .* mean 72\?",
        ),
        ([[3955.0, 7408.0], [4000.0, 7000.0]], 0.72, "up", "did you mean 7200"),
        ([[2.3, 0.4], [2.2, 0.5]], 0.45, "up", "'up' \\(did you mean direction='down'"),
        ([[np.nan, 0.9], [0.8, 0.7]], 0.7, "up", "mean direction='down'"),
    ],
)
def test_a_question_that_the_first_record_answers_is_refused(values, target, direction, asks):
    with pytest.raises(ConfigError, match=asks):
        first_passage_times(values, target, direction=direction, from_start=True)
    with pytest.raises(ConfigError, match=asks):
        first_passage_times(values, target, direction=direction, times=[0, 1])


def test_what_follows_a_perturbation_may_be_at_the_target_at_once():
    there = np.array([[0.9, 0.8], [0.95, 0.7]])
    assert first_passage_times(there, 0.9).time.tolist() == [1, 1]
    assert first_passage_times(there, 0.9, times=[1, 2], from_start=False).time.tolist() == [1, 1]
    one = first_passage_times(there[:1], 0.9, from_start=True)
    assert one.time.tolist() == [1]
    assert first_passage_times(there - [[0.1, 0], [0, 0]], 0.9, from_start=True).reached.tolist() == [
        False,
        True,
    ]


def test_a_diverged_run_is_watched_to_the_end_without_arriving():
    inf, nan = np.inf, np.nan
    passages = first_passage_times([[3.0, inf, nan], [3.0, 2.0, 1.0]], 1.0, direction="down")
    assert passages.time.tolist() == [3, 3]
    assert passages.reached.tolist() == [False, True]
    assert not first_passage_times([[0.0, inf]], 1.0).reached.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [0.1, 0.2]}, r"table \(trajectory, time\)"),
        ({"values": np.empty((0, 3))}, "at least one of each"),
        ({"direction": "Up"}, "'up' or 'down', got 'Up'"),
        ({"target": float("nan")}, "finite number, got nan"),
        ({"values": [[0.1, 0.2], [np.nan, np.nan]]}, "run 1 holds no number"),
        ({"times": [2, 2]}, "row 1 holds 2 after 2"),
        ({"times": [3, 2]}, "row 1 holds 2 after 3"),
        ({"times": [1]}, "one number per column"),
        ({"times": [0.5, 2]}, "whole numbers"),
        ({"times": [-1, 2]}, "none negative"),
        ({"values": [[10.0, 74.0]], "target": 0.72}, "did you mean 72"),
        ({"values": [[0.10, 0.74]], "target": 72}, r"did you mean 0\.72"),
        ({"values": [[0.10, 0.74]], "target": 95}, r"as shares do, which never exceed 1; did you mean 0\.95"),
    ],
)
def test_input_that_cannot_be_used_is_named(arguments, message):
    given_arguments = {"values": [[0.1, 0.2], [0.3, 0.4]], "target": 0.2} | arguments
    with pytest.raises(ConfigError, match=message):
        first_passage_times(given_arguments.pop("values"), given_arguments.pop("target"), **given_arguments)


def test_a_target_nobody_reaches_is_fine_where_units_agree():
    assert not first_passage_times([[0.10, 0.74]], 0.9).reached.any()
    assert not first_passage_times([[2.3, 1.1]], 0.001, direction="down").reached.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": [1.5], "reached": [True]},
        {"time": [-1], "reached": [True]},
        {"time": [1, 2], "reached": [True]},
        {"time": [1], "reached": [True], "horizon": -1},
    ],
)
def test_times_given_by_hand_are_checked(wrong):
    with pytest.raises(ConfigError):
        FirstPassageTimes(**({"horizon": 5} | wrong))


def test_residual_times_keep_censoring():
    residual = residual_times(FirstPassageTimes([2, 5, 9, 9], [True, True, True, False], 9), 4)
    assert residual.time.tolist() == [1, 5, 5]
    assert residual.reached.tolist() == [True, True, False]
    assert residual.horizon == 5


@pytest.mark.parametrize("interval", [-1, 10, 2.5])
def test_an_interval_outside_the_record_is_an_error(interval):
    with pytest.raises(ConfigError, match="between 0 and the horizon 9"):
        residual_times(FirstPassageTimes([2, 9], [True, False], 9), interval)


@EXHAUSTIVE
@given(some.lists(some.tuples(some.integers(0, 500), some.booleans()), min_size=1, max_size=8))
def test_outcomes_count_every_trajectory_once(pairs):
    passages = FirstPassageTimes([t for t, _ in pairs], [r for _, r in pairs], 500)
    time, reached, counts = passages.outcomes()
    rebuilt = sorted(zip(np.repeat(time, counts).tolist(), np.repeat(reached, counts).tolist(), strict=True))
    assert rebuilt == sorted(pairs)


def test_a_whole_run_in_place_of_one_table_is_named():
    class Recorded:
        scalars = ("test_accuracy", "train_loss")

    with pytest.raises(ConfigError, match=r"got a whole run; choose one .* run\['test_accuracy'\]"):
        first_passage_times(Recorded(), 0.9)
    Recorded.scalars = ()
    with pytest.raises(ConfigError, match="recorded no scalar"):
        first_passage_times(Recorded(), 0.9)
