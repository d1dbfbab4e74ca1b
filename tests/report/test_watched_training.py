from __future__ import annotations

import pytest

from thermograd.errors import ConfigError
from thermograd.report.watched_training import WatchedTraining

RATES = [0.1, 0.1, 0.01, 0.01, 0.001]


def training(rates=RATES, **more):
    return WatchedTraining(
        [{"step": 10 * (place + 1), "learning_rate": rate, **more} for place, rate in enumerate(rates)]
    )


def test_cuts_lie_at_the_end_of_the_last_block_before_them():
    assert training().cuts == [(20.0, 0.1, 0.01), (40.0, 0.01, 0.001)]
    assert training([0.1, None, 0.01]).cuts == [(10.0, 0.1, 0.01)]
    assert training([0.1] * 4).cuts == []


def test_blocks_begin_where_the_last_one_ended():
    assert training().started.tolist() == [0, 10, 20, 30, 40]
    assert WatchedTraining([]).started.tolist() == []


def test_what_is_not_defined_is_nan_or_no_word():
    found = WatchedTraining([{"step": 1, "ratio": None}, {"step": 2, "ratio": 0.5, "verdict": "undecided"}])
    assert found.column("ratio").tolist() == pytest.approx([float("nan"), 0.5], nan_ok=True)
    assert found.words("verdict") == ["", "undecided"]


def test_few_cuts_are_labelled_with_the_new_rate_and_many_are_not():
    lines = training().cut_lines()
    assert [(entry["x"], entry["text"]) for entry in lines["annotations"]] == [(20, "0.01"), (40, "0.001")]
    many = training([0.9**place for place in range(12)]).cut_lines()
    assert len(many["shapes"]) == 11
    assert "annotations" not in many


@pytest.mark.parametrize("steps", [[1, 1], [2, 1], [1, None]])
def test_steps_must_increase(steps):
    with pytest.raises(ConfigError, match="increasing"):
        WatchedTraining([{"step": step} for step in steps])
