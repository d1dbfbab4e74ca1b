from __future__ import annotations

import itertools
import re
from importlib.resources import files

import pytest

from thermograd.report.look import STYLES, band, layout, line, logarithmic, style


def test_no_two_series_look_the_same_and_none_is_yellow():
    for one, other in itertools.combinations(STYLES, 2):
        assert one.colour != other.colour
        assert one.dash != other.dash
        assert one.marker != other.marker
    assert "#F0E442" not in {entry.colour for entry in STYLES}
    assert len({style(place) for place in range(len(STYLES) ** 2)}) == len(STYLES) ** 2


def test_a_band_is_two_lines_of_which_one_is_in_the_legend():
    lower, upper = band([0, 1], [0, 0], [1, 1], "band", "#0072B2", "hv")
    assert lower["showlegend"] is False
    assert upper["fill"] == "tonexty"
    assert lower["line"] == upper["line"]
    assert lower["line"]["width"] == 0
    assert lower["line"]["shape"] == "hv"


def test_names_and_titles_are_escaped():
    assert line([0], [0], "<b>")["name"] == "&lt;b&gt;"
    assert layout("<i>", "y")["xaxis"]["title"]["text"] == "&lt;i&gt;"


@pytest.mark.parametrize(("largest", "step"), [(3.0, None), (100.0, "D2"), (1e6, 1), (1e9, 2)])
def test_ticks_of_a_logarithm_keep_apart(largest, step):
    assert logarithmic([1.0, largest]).get("dtick") == step


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_text_stands_out_from_its_paper(theme, contrast):
    look = files("thermograd.report").joinpath("page.css").read_text("utf-8")
    block = [part for part in re.findall(r"\{([^{}]*)\}", look) if "--paper" in part][theme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
    for text in ("ink", "soft", "link", "yes", "no", "undecided"):
        for paper in ("paper", "panel"):
            assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)


def test_the_contrast_formula_knows_black_on_white(contrast):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#aaaaaa", "#ffffff") < 4.5
