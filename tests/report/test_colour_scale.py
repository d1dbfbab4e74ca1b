from __future__ import annotations

import pytest

from thermograd.report.colour_scale import SCALE, colour_bar, shades
from thermograd.report.look import INK


@pytest.mark.parametrize("paper", ["#ffffff", "#15181c"])
def test_no_colour_is_lost_on_its_paper(paper, contrast):
    """2 is half of what text needs; thin lines of the other figures have as much."""
    for colour in shades([10 ** (place / 8) for place in range(25)]):
        assert contrast(colour, paper) > 2


def test_colours_are_even_in_the_logarithm():
    assert shades([1, 10, 100, 1000, 10_000]) == list(SCALE)
    assert shades([5]) == [SCALE[0]]
    assert shades([0, 7, 7]) == [INK, SCALE[0], SCALE[0]]
    assert shades([]) == []


def test_the_bar_spans_the_values_and_has_ticks_at_decades():
    (trace,) = colour_bar([0, 3, 200, 40_000], "<t>")
    marker = trace["marker"]
    assert [marker["cmin"], marker["cmax"]] == pytest.approx([0.477121, 4.60206], abs=1e-5)
    assert marker["colorbar"]["ticktext"] == ["10", "100", "1000", "10000"]
    assert marker["colorbar"]["title"]["text"] == "&lt;t&gt;<br>&nbsp;"
    assert trace["x"] == [None, None]


def test_a_bar_of_few_decades_shows_its_ends_and_one_of_many_leaves_some_out():
    assert colour_bar([20, 70], "t")[0]["marker"]["colorbar"]["ticktext"] == ["20", "70"]
    assert colour_bar([1, 10**8], "t")[0]["marker"]["colorbar"]["ticktext"] == [
        "1",
        "100",
        "10000",
        "1e6",
        "1e8",
    ]


def test_a_single_value_needs_no_bar():
    assert colour_bar([0, 5], "t") == []
