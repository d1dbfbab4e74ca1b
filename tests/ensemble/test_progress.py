"""How far a run has come: the mean that is shown is that of what was recorded or heard last."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermograd.ensemble.progress import Progress, ProgressMeter
from thermograd.store.layout import ArraySpec, Header

HEADER = Header("", 0, 4, 10, 1, 2, "eager", "", (ArraySpec("loss", (), "float64", np.arange(11)),))


@pytest.fixture
def shown() -> list[Progress]:
    return []


@pytest.fixture
def meter(shown) -> ProgressMeter:
    return ProgressMeter(HEADER, shown.append)


def mean(meter: ProgressMeter, shown: list[Progress]) -> float:
    meter.show()
    return shown[-1].mean


def test_the_mean_is_that_of_the_newest_finite_values(meter, shown):
    assert math.isnan(mean(meter, shown))
    meter.recorded(0, 1, {"loss": np.array([1.0, 3.0])})
    meter.recorded(0, 2, {"loss": np.array([5.0, np.nan])})
    meter.recorded(0, 2, {"other": np.array([7.0, 7.0])})
    assert mean(meter, shown) == pytest.approx(5.0)
    assert mean(meter, shown) == pytest.approx(5.0)
    meter.recorded(0, 3, {"loss": np.full(2, np.nan)})
    assert math.isnan(mean(meter, shown))


def test_what_another_process_tells_comes_after_what_was_recorded_before(meter, shown):
    meter.recorded(0, 1, {"loss": np.array([1.0, 1.0])})
    meter.heard(1, 4, 2.0, 0)
    assert mean(meter, shown) == pytest.approx(2.0)
    meter.heard(1, 5, math.nan, 1)
    assert mean(meter, shown) == pytest.approx(2.0)
    assert (shown[-1].steps_done, shown[-1].diverged) == (2 * 1 + 2 * 5, 1)


def test_a_meter_that_shows_nothing_takes_no_means():
    silent = ProgressMeter(HEADER, None)
    silent.recorded(0, 1, {"loss": np.array(["no", "numbers"])})
    silent.finished(0)


def test_what_an_earlier_start_did_is_counted_before_anything_is_shown(meter, shown):
    """A block whose trajectories all diverged has ended before its last step, and is no work of this start."""
    meter.already(0, 3, done=True)
    meter.already(1, 4)
    assert shown == []
    meter.recorded(1, 6, {"loss": np.array([1.0, 1.0])})
    assert (shown[-1].blocks_done, shown[-1].steps_done, shown[-1].steps_now) == (1, 2 * 10 + 2 * 6, 2 * 2)
