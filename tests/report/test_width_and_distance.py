from __future__ import annotations

import pytest

from thermograd.quantities import Estimate
from thermograd.report.width_and_distance import WidthAndDistance, width_against_distance


def one(width, distance):
    return WidthAndDistance(
        Estimate(width, (width - 0.1, width + 0.2)), Estimate(distance, (0.9 * distance, 1.1 * distance))
    )


def test_a_point_for_each_setting(trace, writable):
    drawn = width_against_distance({"hot": one(1.5, 0.4), "cold": one(1.0, 0.1), "mild": one(1.2, 0.2)})
    writable(drawn)
    (mark,) = trace(drawn, "hot")
    assert (mark["x"], mark["y"]) == ([0.4], [1.5])
    assert mark["error_y"]["array"] == pytest.approx([0.2])
    assert mark["error_x"]["arrayminus"] == pytest.approx([0.04])
    assert drawn.conclusion.startswith("From cold to hot the distance goes from 0.1")
    assert "it grows in 2 of 2 steps" in drawn.conclusion
    assert drawn.table["boundary width"] == [1.5, 1.0, 1.2]


def test_a_falling_width_is_said():
    """Negative control."""
    drawn = width_against_distance({"cold": one(1.5, 0.1), "mild": one(1.2, 0.2), "hot": one(1.0, 0.4)})
    assert "it grows in 0 of 2 steps" in drawn.conclusion


def test_many_settings_look_different_and_none_is_no_drawing(writable):
    drawn = width_against_distance(
        {str(place): one(1.0, 1.0 + place) for place in range(9)}, width="excess width"
    )
    looks = {(mark["marker"]["color"], mark["marker"]["symbol"]) for mark in drawn.traces}
    assert len(looks) == 9
    assert drawn.title.startswith("Excess width")
    assert width_against_distance({}).conclusion == "No setting was trained."
