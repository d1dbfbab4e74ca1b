from __future__ import annotations

import pytest

from thermograd.quantities import Estimate, Prediction
from thermograd.report.noise_by_setting import NoiseSeries, noise_by_setting


def about(value):
    return Estimate(value, (0.9 * value, 1.1 * value))


def series():
    return NoiseSeries(
        "SGD",
        [0.1, 0.3, 0.6],
        [about(9.0), None, about(0.7)],
        [Prediction(value, (0.8 * value, 1.2 * value)) for value in (0.9, 0.2, 0.07)],
        [None, about(2.5), None],
        [about(0.9), about(0.21), None],
    )


def test_lines_of_theory_and_points_of_simulation(trace, writable):
    drawn = noise_by_setting([series()], "batch fraction b", what="a mixture")
    writable(drawn)
    assert drawn.name == "noise_by_batch_fraction"
    curves = [entry for entry in trace(drawn, "SGD") if entry["mode"] == "lines+markers"]
    assert {entry["yaxis"]: entry["y"] for entry in curves} == {"y2": [9.0, None, 0.7], "y": [0.9, 0.2, 0.07]}
    marks = {entry["yaxis"]: entry for entry in trace(drawn, "SGD, simulation")}
    assert marks["y2"]["x"] == [0.3]
    assert marks["y"]["y"] == [0.9, 0.21]
    assert marks["y"]["error_y"]["array"] == pytest.approx([0.09, 0.021])
    shown = [entry["name"] for entry in drawn.traces if entry.get("showlegend", True)]
    assert sorted(shown) == ["SGD", "SGD, simulation"]
    assert "SGD: temperature 9 to 0.7 from 0.1 to 0.6" in drawn.conclusion
    assert drawn.table["value"] == [9.0, 0.7, 2.5, 0.9, 0.2, 0.07, 0.9, 0.21]


def test_several_series_without_simulation(trace, writable):
    one = NoiseSeries("hot", [1.0, 2.0], [about(1.0), about(2.0)], [about(3.0), Prediction(4.0)])
    drawn = noise_by_setting([series(), one], "learning rate η")
    writable(drawn)
    assert not trace(drawn, "hot, simulation")
    assert drawn.table["from"][-1] is None
    assert drawn.layout["xaxis"]["ticktext"] == ["0.1", "0.3", "0.6", "1", "2"]


def test_points_of_the_distance_alone_are_named(trace):
    one = NoiseSeries("cold", [1.0, 2.0], [None, None], [about(3.0), about(4.0)], [], [about(3.1), None])
    (mark,) = trace(noise_by_setting([one], "learning rate η"), "cold, simulation")
    assert mark["showlegend"] is True
    many = NoiseSeries("fine", [0.1 * place for place in range(1, 11)], [about(1.0)] * 10, [None] * 10)
    assert "ticktext" not in noise_by_setting([many], "learning rate η").layout["xaxis"]


def test_too_few_points_are_said(writable):
    drawn = noise_by_setting([NoiseSeries("one", [1.0], [about(1.0)], [None])], "persistence τ (steps)")
    writable(drawn)
    assert "too few points" in drawn.conclusion
    assert drawn.name == "noise_by_persistence"
