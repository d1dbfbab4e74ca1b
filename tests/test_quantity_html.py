from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pytest

from thermograd.quantities import Advice, Estimate, Landscape, Prediction, Verdict

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='y'> & \x1b[31m"
CURVE = np.array([1.0, 0.5, 0.2])
SVG = "{http://www.w3.org/2000/svg}"


def read(quantity):
    """The fragment of a notebook as an XML tree: it fails where a tag or an attribute is not closed."""
    return ElementTree.fromstring(f"<div>{quantity._repr_html_()}</div>")


def cells(tree):
    return ["".join(cell.itertext()) for cell in tree.iter("td")]


@dataclass(frozen=True)
class Alternative:
    name: str
    ranked_mean: Estimate

    def __str__(self):
        return self.name


@pytest.mark.parametrize(
    "quantity",
    [
        Estimate(1.0, (0.5, 1.5), unit=HOSTILE, note=HOSTILE),
        Estimate(CURVE, (CURVE - 0.1, CURVE + 0.1), unit=HOSTILE, note=HOSTILE),
        Prediction(CURVE, (CURVE, CURVE), at=np.arange(3), rests_on=HOSTILE),
        Verdict(None, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
        Advice(HOSTILE, (HOSTILE,), (Verdict(True, HOSTILE, HOSTILE),), (HOSTILE,)),
        Advice("a", (Alternative(HOSTILE, Estimate(1.0, (0.5, 1.5), unit=HOSTILE)),)),
    ],
)
def test_text_stays_text_and_the_html_is_well_formed(quantity):
    tree = read(quantity)
    assert not {entry.tag for entry in tree.iter()} & {"script", "img"}
    assert not [key for entry in tree.iter() for key in entry.attrib if key.startswith("on")]
    assert "<script>alert(1)</script>" in "".join(tree.itertext())


def test_the_check_of_well_formed_html_can_fail():
    class Broken:
        def _repr_html_(self):
            return "<p>a<br></p>"

    with pytest.raises(ElementTree.ParseError):
        read(Broken())


def test_a_number_has_unit_interval_pieces_and_three_digits():
    tree = read(Estimate(38.2345, (34.1111, 42.3456), pieces=64, unit="epoch"))
    assert cells(tree) == ["38.2 epoch", "34.1 to 42.3 epoch", "64"]
    assert "95 % interval" in "".join(tree.itertext())
    (drawing,) = tree.iter(f"{SVG}svg")
    assert drawing.attrib["aria-label"] == "38.2, from 34.1 to 42.3"


def test_what_is_not_known_takes_no_row():
    assert cells(read(Estimate(1.0, (0.5, 1.5)))) == ["1", "0.5 to 1.5"]
    assert cells(read(Prediction(20.0, rests_on="restarts"))) == ["20", "none: exact", "restarts"]


def test_the_dot_lies_within_its_bar_and_zero_is_marked_if_near():
    tree = read(Estimate(0.02, (-0.1, 0.2)))
    x = float(next(tree.iter(f"{SVG}circle")).attrib["cx"])
    bars = [line.attrib for line in tree.iter(f"{SVG}line")]
    ends = [(float(bar["x1"]), float(bar["x2"])) for bar in bars]
    zero, whole = ends[0], ends[1]
    assert whole[0] < x < whole[1]
    assert whole[0] < zero[0] < x
    assert len(list(read(Estimate(5.0, (4.9, 5.1))).iter(f"{SVG}line"))) == len(bars) - 1


def test_an_open_interval_ends_in_an_arrow():
    tree = read(Estimate(5.0, (4.0, np.inf)))
    assert len(list(tree.iter(f"{SVG}path"))) == 1
    assert "4 to ∞" in cells(tree)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_without_a_number_nothing_is_drawn(value):
    assert not list(read(Estimate(value, (value, value))).iter(f"{SVG}svg"))


def test_a_curve_is_drawn_with_its_band_and_tabled_at_five_points():
    curve = np.exp(-np.arange(50) / 10)
    tree = read(Estimate(curve, (curve - 0.1, curve + 0.1), unit="loss per sample"))
    assert len(list(tree.iter(f"{SVG}polygon"))) == len(list(tree.iter(f"{SVG}polyline"))) == 1
    assert [cell for cell in cells(tree)[1:] if cell][1::3][:1] == ["0.9"]
    headings = ["".join(cell.itertext()) for cell in tree.iter("th")]
    assert "value (loss per sample)" in headings
    assert [heading for heading in headings if heading.isdigit()] == ["0", "12", "24", "37", "49"]


def test_curve_and_band_pause_where_they_are_not_finite():
    curve = np.array([np.inf, 3.0, 2.0, np.nan, 1.0, 0.5])
    high = np.where(np.arange(6) == 5, np.inf, curve + 1)
    shown = Prediction(curve, (curve - 1, high), at=np.arange(6.0))._repr_html_()
    drawing = shown[shown.index("<svg") : shown.index("</svg>")]
    assert "nan" not in drawing
    assert "inf" not in drawing
    assert drawing.count("<polyline") == 2
    assert drawing.count("<polygon") == 1


def test_points_of_a_curve_lie_where_their_numbers_say():
    tree = read(Estimate(np.array([0.0, 1.0, 0.5]), (np.zeros(3), np.ones(3))))
    text = next(tree.iter(f"{SVG}polyline")).attrib["points"]
    (left, zero), (_, one), (right, half) = (
        [float(part) for part in pair.split(",")] for pair in text.split()
    )
    assert left < right
    assert one < half < zero  # upwards is up
    assert half == pytest.approx((zero + one) / 2)


def test_a_long_curve_stays_small():
    curve = np.random.default_rng(0).normal(size=100_000)
    assert len(Estimate(curve, (curve - 1, curve + 1))._repr_html_()) < 20_000


def test_assumptions_that_hold_are_said_per_point():
    tree = read(Prediction(CURVE, at=np.arange(3), valid=np.array([True, True, False])))
    assert [cell for cell in cells(tree) if cell in {"yes", "no"}] == ["yes", "yes", "no"]


def test_a_small_matrix_is_a_table_and_a_large_one_its_shape():
    tree = read(Estimate(np.eye(2) / 3, (np.zeros((2, 2)), np.eye(2))))
    assert cells(tree)[-4:] == ["0.333", "0", "0", "0.333"]
    assert cells(read(Estimate(np.zeros((50, 50)), (np.zeros((50, 50)),) * 2))) == ["array of shape (50, 50)"]


@pytest.mark.parametrize(("holds", "sign"), [(True, "✓"), (False, "✗"), (None, "?")])
def test_a_verdict_shows_its_answer_and_its_evidence(holds, sign):
    tree = read(Verdict(holds, "plateau", "It is flat.", {"ratio": 1.23456}))
    assert "".join(tree.find("p").itertext()).startswith(sign)
    assert cells(tree) == ["plateau", "1.23"]


def test_alternatives_are_drawn_on_one_axis():
    alternatives = [
        Alternative("fast", Estimate(6.0, (5.0, np.inf), unit="epoch")),
        Alternative("slow", Estimate(12.0, (10.0, 14.0), unit="epoch")),
        Alternative("never", Estimate(np.inf, (np.inf, np.inf), unit="epoch")),
    ]
    tree = read(Advice("Take the fast one.", tuple(alternatives)))
    dots = [float(dot.attrib["cx"]) for dot in tree.iter(f"{SVG}circle")]
    assert len(dots) == 2
    assert dots[0] < dots[1]
    headings = ["".join(heading.itertext()) for heading in tree.iter("th")]
    assert "mean (epochs)" in headings  # measured or predicted: the words of the alternative say it


def test_a_landscape_shows_its_curvatures():
    land = Landscape(sample_gradients=[[3.0, 4.0]], hessian=[[2.0, 0.0], [0.0, 1.0]], loss=0.25, note=HOSTILE)
    tree = read(land)
    assert cells(tree)[:5] == ["1", "2", "0.25", "5", "2 to 1"]
    assert len(list(tree.iter(f"{SVG}polyline"))) == 1


def test_no_colour_is_ink_of_a_theme():
    shown = Estimate(CURVE, (CURVE, CURVE + 1))._repr_html_()
    assert set(re.findall(r"fill='([^']+)'", shown)) <= {"none", "currentColor", "#2386C0"}
