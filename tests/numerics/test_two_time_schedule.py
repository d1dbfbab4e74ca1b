import math

import numpy as np
import pytest

from thermograd.numerics.two_time_schedule import NEVER, TwoTimeSchedule


def schedule(waiting=4, lags=8, first=1, most=64, grain=1):
    return TwoTimeSchedule(waiting, lags, first_waiting=first, max_anchors=most, grain=grain)


def in_order(plan, steps):
    """What is kept by somebody who looks at every step, and drops for good what is dropped once."""
    kept, most = set(), 0
    for step in range(steps + 1):
        if plan.next_waiting(step - 1) == step:
            kept.add(step)
        kept &= set(plan.waiting_times(step).tolist())
        most = max(most, len(kept))
        assert sorted(kept) == plan.waiting_times(step).tolist()
    return most


@pytest.mark.parametrize(("total", "first", "expected"), [(10**6, 1, 25), (10**6, 100, 17), (10**4, 1, 17)])
def test_four_waiting_times_per_decade(total, first, expected):
    times = schedule(first=first).waiting_times(total)
    assert times.size == expected
    assert times[0] == first
    exact = {round(10 ** (j / 4)) for j in range(24 + 1)}
    assert set(times.tolist()) == {time for time in exact if first <= time <= total}


def test_lags_are_eight_per_decade_and_the_distances_of_a_million_steps_about_a_thousand():
    plan = schedule()
    assert plan.lags[:8].tolist() == [1, 2, 3, 4, 6, 7, 10, 13]
    count = sum(plan.lags_within(10**6 - time) for time in plan.waiting_times(10**6).tolist())
    assert 950 < count < 1150


@pytest.mark.parametrize("most", [2, 3, 8, 17])
@pytest.mark.parametrize(("per_decade", "first", "grain"), [(4, 1, 1), (50, 0, 1), (50, 7, 1), (30, 20, 6)])
def test_thinning_keeps_a_function_of_the_step_alone(most, per_decade, first, grain):
    assert in_order(schedule(per_decade, first=first, most=most, grain=grain), 3000) <= most


def test_between_half_and_all_of_the_room_is_used_and_spacing_stays_logarithmic():
    plan = schedule(200, most=64)
    for total in (200, 10**3, 10**4, 10**5, 10**6, 10**9):
        times = plan.waiting_times(total)
        assert 31 <= times.size <= 64
        late = np.log10(times[times > 1000])
        if late.size > 2:
            assert np.ptp(np.diff(late)) < 2e-3


def test_the_grain_rounds_up_to_multiples():
    plan = schedule(grain=10, first=35)
    assert (plan.waiting_times(10**6) % 10 == 0).all()
    assert plan.waiting_times(100).tolist() == [40, 60, 100]
    assert plan.lags[:4].tolist() == [10, 20, 30, 40]


def test_step_zero_is_a_waiting_time_if_asked_for():
    assert schedule(first=0).waiting_times(3).tolist() == [0, 1, 2, 3]
    assert schedule(first=0).next_waiting(-1) == 0


def test_nothing_comes_after_the_last():
    assert schedule(most=2).next_waiting(10**15) == NEVER
    assert math.log10(schedule(most=2).waiting_times(10**15)[-1]) < 15.001
