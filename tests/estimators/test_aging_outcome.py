"""Every outcome from an interval, its borders, and whether it ages."""

import numpy as np
import pytest

from thermograd.estimators.aging_outcome import OUTCOMES, aging_outcome, holds, sentence


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((-0.05, 0.05), "stationary"),
        ((0.01, 0.04), "stationary"),
        ((-0.06, 0.05), "undetermined"),
        ((0.95, 1.05), "simple"),
        ((0.96, 0.99), "simple"),
        ((0.01, 0.99), "subaging"),
        ((0.06, 0.07), "subaging"),
        ((0.5, 1.0), "undetermined"),
        ((0.0, 0.5), "undetermined"),
        ((1.001, 1.3), "superaging"),
        ((1.0, 1.3), "undetermined"),
        ((-0.3, -0.001), "accelerating"),
        ((-np.inf, np.inf), "undetermined"),
    ],
)
def test_the_outcome_is_what_the_whole_interval_allows(interval, expected):
    assert aging_outcome(*interval, 0.05) == expected


def test_a_margin_of_nothing_leaves_no_room():
    assert aging_outcome(0.999, 1.001, 0.0) == "undetermined"


def test_aging_or_not():
    answers = {outcome: holds(outcome) for outcome in OUTCOMES}
    assert answers == {
        "stationary": False,
        "subaging": True,
        "simple": True,
        "superaging": True,
        "accelerating": None,
        "undetermined": None,
    }


def test_what_is_known_of_an_undetermined_outcome_is_said():
    assert "whether by less or more" in sentence("undetermined", 0.4, 1.2)
    assert "if at all" in sentence("undetermined", -0.2, 0.4)
    assert "cannot be told" in sentence("undetermined", -0.2, 1.4)
    assert len({sentence(outcome, -1, 2) for outcome in OUTCOMES}) == len(OUTCOMES)
