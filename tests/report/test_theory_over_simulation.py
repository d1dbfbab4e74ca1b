from __future__ import annotations

import numpy as np

from thermograd.quantities import Estimate, Prediction
from thermograd.report.theory_over_simulation import Course, theory_over_simulation

AXES = {"overlap": "overlap m", "train_loss": "training loss"}


def course(shift=0.0, measured=True):
    steps = np.arange(41)
    times = np.arange(0, 41, 2)
    predicted = {
        name: Prediction(curve, (curve - 0.1, curve + 0.1), at=steps)
        for name, curve in {"overlap": np.sqrt(steps), "train_loss": np.exp(-steps / 10)}.items()
    }
    found = {}
    if measured:
        value = np.sqrt(times) + shift
        found["overlap"] = Estimate(value, (value - 0.2, value + 0.2))
    return Course(predicted, found, times)


def test_panels_hold_theory_and_simulation(trace, writable):
    drawn = theory_over_simulation({"sgd": course(shift=0.1)}, AXES)
    writable(drawn)
    assert drawn.layout["yaxis2"]["title"]["text"] == "overlap m"
    curves = [entry for entry in trace(drawn, "sgd") if entry["line"]["width"]]
    assert {entry["yaxis"] for entry in curves} == {"y", "y2"}
    (mark,) = trace(drawn, "sgd, simulation")
    assert mark["yaxis"] == "y2"
    assert len(mark["x"]) == 12
    assert (mark["x"][0], mark["x"][-1]) == (0, 40)
    assert "by at most 0.45 half-widths" in drawn.conclusion
    assert "overlap m of sgd" in drawn.conclusion
    assert len(drawn.table["step"]) == 21
    shown = [entry["name"] for entry in drawn.traces if entry.get("showlegend", True)]
    assert sorted(shown) == ["sgd", "sgd, simulation"]


def test_a_simulation_far_from_theory_is_told():
    """Negative control."""
    drawn = theory_over_simulation({"good": course(), "far": course(shift=1.0)}, AXES)
    assert "by at most 4.5 half-widths" in drawn.conclusion
    assert "of far" in drawn.conclusion


def test_theory_without_simulation_or_interval(writable):
    bare = course(measured=False)
    curve = Prediction(np.zeros(3), at=np.arange(3))
    drawn = theory_over_simulation(
        {"a": bare, "b": Course({"overlap": curve, "train_loss": curve}, {}, np.array([]))}, AXES
    )
    writable(drawn)
    assert drawn.conclusion == "Theory alone."


def test_exact_points_are_no_disagreement():
    """As at the start, which is given."""
    curve = Prediction(np.zeros(2), (np.zeros(2), np.zeros(2)), at=np.arange(2))
    start = Estimate(np.zeros(1), (np.zeros(1), np.zeros(1)))
    drawn = theory_over_simulation({"a": Course({"m": curve}, {"m": start}, np.array([0]))}, {"m": "m"})
    assert "by at most 0 half-widths" in drawn.conclusion
    assert drawn.table["theory"] == [0]
