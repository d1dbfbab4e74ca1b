"""First-passage times against a loop over the values, and every input that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, first_passage_times, residual_times

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
    assert passages.horizon == 2


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
    ],
)
def test_input_that_cannot_be_used_is_named(arguments, message):
    given_arguments = {"values": [[0.1, 0.2], [0.3, 0.4]], "target": 0.2} | arguments
    with pytest.raises(ConfigError, match=message):
        first_passage_times(given_arguments.pop("values"), given_arguments.pop("target"), **given_arguments)


def test_a_target_nobody_reaches_is_fine_where_units_agree():
    assert not first_passage_times([[0.10, 0.74]], 0.9).reached.any()


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
