from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from thermograd.estimators.first_passage_times import FirstPassageTimes

SVG = "{http://www.w3.org/2000/svg}"


def read(passages):
    return ElementTree.fromstring(f"<div>{passages._repr_html_()}</div>")


def test_arrivals_are_counted_and_survival_is_drawn_in_steps():
    tree = read(FirstPassageTimes([2, 4, 4], [True, True, False], horizon=4))
    assert "3: 2 arrived, 1 had not when last seen" in "".join(tree.itertext())
    pairs = [pair.split(",") for pair in next(tree.iter(f"{SVG}polyline")).attrib["points"].split()]
    # a step goes right, or down
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(pairs))
    assert len({height for _, height in pairs}) == 3


def test_nobody_is_no_curve():
    assert not list(read(FirstPassageTimes([], [], horizon=3)).iter(f"{SVG}svg"))


def test_a_unit_is_text():
    assert "<script>" in "".join(read(FirstPassageTimes([1, 2], [True, True], 2, unit="<script>")).itertext())


def test_its_figure_is_the_survival_curve():
    pytest.importorskip("plotly")
    figure = FirstPassageTimes([2, 4, 4], [True, True, False], horizon=4).plot()
    assert figure.data[-1].name == "runs still under way"
