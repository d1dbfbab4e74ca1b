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


def test_an_uneven_pace_has_a_wide_range_or_none():
    uneven = paced([1.0, 2.0, 3.0, 2.0], [10] * 4).left(1000.0, 1e9 + 8)
    assert uneven.high > 1.5 * uneven.low
    wild = paced([0.1, 9.0, 0.1], [10] * 3).left(1000.0, 1e9 + 9.2)
    assert wild.high is None
    assert wild.low > 0


def test_the_range_holds_the_truth_about_as_often_as_it_says():
    """Durations of commits are exponential; 95 % is asked for, eight groups of a skew law give somewhat less."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        seconds = rng.exponential(2.0, size=64)
        left = paced(seconds, [10] * 64).left(25_000.0, 1e9 + seconds.sum())
        held += left.high is None or left.low <= 1000.0 <= left.high  # 25 trajectory-steps per second
    assert 0.88 <= held / 300 <= 0.99


def test_nothing_is_said_too_early_or_after_a_silence():
    pace = paced([2.0, 2.0], [10, 10])
    assert pace.left(100.0, 1e9 + 4) is None
    pace = paced([2.0] * 5, [10] * 5)
    assert pace.left(100.0, 1e9 + 10 + 20) is not None
    assert pace.left(100.0, 1e9 + 10 + 22) is None


def test_only_this_start_counts():
    pace = paced([2.0] * 5, [10] * 5)
    pace.take(event("resumed", 1000.0))
    assert pace.left(100.0, 1e9 + 1000) is None
    for number in range(1, 5):
        pace.take(event("checkpoint", 1000.0 + number, block=0, step=50 + 10 * number))
    assert pace.left(100.0, 1e9 + 1004).speed == pytest.approx(50.0)


@pytest.mark.parametrize(
    "details", [{"block": 7, "step": 1}, {"block": "a", "step": 1}, {"block": 0}, {"time": 3}]
)
def test_events_that_make_no_sense_are_left_out(details):
    pace = paced([2.0] * 5, [10] * 5)
    before = pace.left(100.0, 1e9 + 10)
    pace.take(event("checkpoint", 11.0) | details)
    assert pace.left(100.0, 1e9 + 10) == before
