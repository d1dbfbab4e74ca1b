from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.aging import Phases, learning_phases
from thermograd.quantities import Estimate, Verdict
from thermograd.report.learning_curves import LearningCurve, learning_curves

STEPS = np.unique(np.round(10 ** (np.arange(0, 41) / 8))).astype(int)


def two_falls(runs=8):
    """From 2 to 1 at step 30 and to 0 at step 3000, with a plateau between."""
    course = 1 / (1 + (STEPS / 30.0) ** 4) + 1 / (1 + (STEPS / 3000.0) ** 4)
    return course * np.linspace(0.95, 1.05, runs)[:, None]


def test_curves_and_table_hold_mean_and_deciles(trace, writable):
    steps, values = np.r_[0, STEPS], np.concatenate([np.full((8, 1), 2.5), two_falls()], axis=1)
    figure = learning_curves(
        {"H = 1": LearningCurve(steps, values), "H = 3": LearningCurve(steps, 2 * values)}
    )
    writable(figure)
    low, high, mean = trace(figure, "H = 1")
    assert mean["x"] == STEPS.tolist()  # step 0 has no logarithm
    assert mean["y"] == pytest.approx(values.mean(axis=0)[1:], rel=1e-6)
    assert low["y"] == pytest.approx(np.quantile(values, 0.1, axis=0)[1:], rel=1e-6)
    assert high["y"] == pytest.approx(np.quantile(values, 0.9, axis=0)[1:], rel=1e-6)
    assert figure.table["step"][0] == 0
    assert figure.table["mean"][: steps.size] == pytest.approx(values.mean(axis=0))
    assert "H = 3: loss" in figure.conclusion


def test_the_boundary_and_the_plateau_lie_on_the_curve(trace, writable):
    phases = learning_phases(STEPS, two_falls())
    figure = learning_curves({"a": LearningCurve(STEPS, two_falls(), phases)})
    writable(figure)
    (mark,) = trace(figure, "slow since")
    assert mark["x"] == pytest.approx([phases.slow_since.value], rel=1e-6)
    course = np.interp(np.log(phases.slow_since.value), np.log(STEPS), two_falls().mean(axis=0))
    assert mark["y"] == pytest.approx([course], rel=1e-5)
    assert mark["error_x"]["array"] == pytest.approx(
        [phases.slow_since.high - phases.slow_since.value], rel=1e-4
    )
    (rest,) = trace(figure, "plateau")
    assert [rest["x"][0], rest["x"][-1]] == pytest.approx(phases.plateaus[0], rel=1e-6)
    assert rest["line"]["width"] == 14
    assert "at rest from step" in figure.conclusion
    assert "slow since step" in figure.conclusion


def test_phases_of_several_curves_share_a_legend_entry(trace):
    phases = learning_phases(STEPS, two_falls())
    curves = {name: LearningCurve(STEPS, two_falls(), phases) for name in "ab"}
    figure = learning_curves(curves)
    assert [entry["showlegend"] for entry in trace(figure, "slow since")] == [True, False]
    assert [entry["showlegend"] for entry in trace(figure, "plateau")] == [True, False]


def test_an_accuracy_ends_at_1():
    figure = learning_curves(
        {"a": LearningCurve(STEPS, 1 - two_falls() / 3)}, quantity="accuracy", rising=True
    )
    low, high = figure.layout["yaxis"]["range"]
    assert high == 1
    assert low == pytest.approx(0.3 - 0.05 * 0.7, abs=0.01)
    assert figure.name == "learning_curves_accuracy"


def test_no_decrease_no_boundary(trace, writable):
    flat = Phases(None, (), Verdict(None, "no_decrease", "The loss did not decrease."))
    figure = learning_curves({"a": LearningCurve(STEPS, np.ones(STEPS.size), flat)})
    writable(figure)
    assert not trace(figure, "slow since")


def test_a_boundary_before_the_first_bin_has_an_end(writable, trace):
    phases = Phases(Estimate(4.0, (0.0, 8.0)), (), Verdict(True, "slow", "Slow."))
    figure = learning_curves({"a": LearningCurve(STEPS, two_falls(), phases)})
    writable(figure)
    assert trace(figure, "slow since")[0]["error_x"]["arrayminus"] == pytest.approx([3.6])


def test_empty_and_nan(writable):
    empty = learning_curves({})
    writable(empty)
    assert empty.conclusion == "Nothing was recorded."
    nothing = learning_curves(
        {"a": LearningCurve([0, 1], [[np.nan, np.nan]]), "b": LearningCurve([], [])}, rising=True
    )
    writable(nothing)
    assert nothing.traces == ()
    assert nothing.conclusion == "a: nothing was recorded; b: nothing was recorded."
    gap = learning_curves({"a": LearningCurve([1, 2, 3], [[1.0, np.nan, 2.0]])})
    writable(gap)
    with pytest.raises(ConfigError, match="values have shape"):
        learning_curves({"a": LearningCurve([0, 1], [1.0])})
