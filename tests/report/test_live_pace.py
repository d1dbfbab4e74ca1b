from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from thermograd.report.live_pace import Pace
from thermograd.store.layout import Header

HEADER = Header("", 0, 10, 1000, 1, 5, "eager", "", ())


def event(kind, seconds, **details):
    return {"event": kind, "time": datetime.fromtimestamp(1e9 + seconds, UTC).isoformat(), **details}


def paced(seconds, steps, start="started"):
    pace = Pace(HEADER)
    pace.take(event(start, -30.0))  # what it takes to begin does not count
    pace.take(event("checkpoint", 0.0, block=0, step=0))
    for moment, step in zip(np.cumsum(seconds), np.cumsum(steps), strict=True):
        pace.take(event("checkpoint", float(moment), block=0, step=int(step)))
    return pace


def test_a_steady_pace_is_known_to_five_per_cent():
    pace = paced([2.0] * 8, [10] * 8)
    left = pace.left(1000.0, 1e9 + 16.0)
    assert left.speed == pytest.approx(25.0)  # 10 steps of 5 trajectories in 2 s
    assert left.low == pytest.approx(1000 / 26.25)
    assert left.high == pytest.approx(1000 / 23.75)
    later = pace.left(1000.0, 1e9 + 19.0)
    assert later.low == pytest.approx(left.low - 3)


def test_the_range_is_that_of_the_slowest_and_the_fastest_stretch():
    left = paced([1.0] * 4 + [4.0] * 4, [10] * 8).left(1000.0, 1e9 + 20)
    assert left.speed == pytest.approx(20.0)
    assert left.low == pytest.approx(1000 / 50)
    assert left.high == pytest.approx(1000 / 12.5)
    stuck = paced([1.0] * 6, [10] * 4 + [0] * 2).left(1000.0, 1e9 + 6)
    assert stuck.high is None
    assert stuck.low == pytest.approx(20.0)


def test_the_range_holds_what_comes_if_it_goes_on_as_before():
    """Durations of commits are exponential; 250 more of them take 500 s with a standard deviation of 32 s."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        seconds = rng.exponential(2.0, size=64)
        left = paced(seconds, [10] * 64).left(250 * 50.0, 1e9 + seconds.sum())
        held += left.low <= rng.exponential(2.0, size=250).sum() <= left.high
    assert held >= 198


def test_nothing_is_said_too_early_or_after_a_silence():
    pace = paced([2.0] * 5, [10] * 5)
    assert pace.left(100.0, 1e9 + 10) is None
    pace = paced([2.0] * 6, [10] * 6)
    assert pace.left(100.0, 1e9 + 12 + 20) is not None
    assert pace.left(100.0, 1e9 + 12 + 22) is None


def test_only_this_start_counts():
    pace = paced([2.0] * 5, [10] * 5)
    pace.take(event("resumed", 1000.0))
    assert pace.left(100.0, 1e9 + 1000) is None
    for number in range(1, 8):
        pace.take(event("checkpoint", 1000.0 + number, block=0, step=50 + 10 * number))
    assert pace.left(100.0, 1e9 + 1007).speed == pytest.approx(50.0)


@pytest.mark.parametrize(
    "details",
    [
        {"block": 7, "step": 1},
        {"block": "a", "step": 1},
        {"block": 0},
        {"time": 3},
        {"block": 0, "step": 10**400},
        {"block": 0, "step": -1},
    ],
)
def test_events_that_make_no_sense_are_left_out(details):
    pace = paced([2.0] * 6, [10] * 6)
    before = pace.left(100.0, 1e9 + 12)
    assert before is not None
    pace.take(event("checkpoint", 13.0) | details)
    assert pace.left(100.0, 1e9 + 12) == before
