from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.aging import aging_exponent
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.report.aging_collapse import aging_collapse

LAGS = np.array([1, 2, 4, 8, 16, 32, 64])


def power_law(exponent=0.5, ages=(1, 4, 16, 64)):
    delta = LAGS / np.array(ages, float)[:, None] ** exponent
    return DisplacementTable(ages, LAGS, delta[None, ..., None], [1])


def test_an_exact_law_falls_on_one_curve(trace, writable):
    """Δ = t / t_w^½, so that Δ is the scaled lag itself."""
    table = power_law()
    figure = aging_collapse(table, aging_exponent(table, [2.0, 4.0]))
    writable(figure)
    before, after = trace(figure, "t_w = 16")
    assert before["x"] == LAGS.tolist()
    assert (before["xaxis"], before["yaxis"]) == ("x2", "y2")
    assert after["x"] == pytest.approx(after["y"], rel=1e-5)
    assert figure.table["t / t_w^μ"] == pytest.approx(figure.table["mean-square displacement Δ"])
    assert figure.layout["xaxis"]["title"]["text"] == "t / t_w^0.50"
    assert figure.layout["xaxis2"]["title"]["text"] == "lag t (steps)"
    assert figure.conclusion.endswith("the curves fall on one another.")
    assert len(trace(figure, "thresholds of the exponent")) == 4


def test_the_scatter_is_that_of_the_estimator(walk):
    found = aging_exponent(walk, [0.02, 0.05])
    figure = aging_collapse(walk, found)
    assert f"{found.collapse:.3g} in ln t* (rms)" in figure.conclusion
    assert f"without it by {found.collapse_without:.3g}" in figure.conclusion


def test_curves_that_do_not_age_come_hardly_closer(walks):
    """Negative control."""
    table = walks(0.0)
    assert "hardly closer" in aging_collapse(table, aging_exponent(table, [0.02, 0.05])).conclusion


def test_only_waiting_times_of_the_exponent_are_drawn():
    table = power_law(ages=(1, 2, 4, 8, 16))
    figure = aging_collapse(table, aging_exponent(table, 3.0, waiting=(2, 8)))
    assert sorted(set(figure.table["waiting time (steps)"])) == [2, 4, 8]


def test_without_an_exponent_the_curves_stand_alone(walk, writable):
    figure = aging_collapse(walk, aging_exponent(walk, 1e3))
    writable(figure)
    assert "xaxis2" not in figure.layout
    assert figure.conclusion.startswith("Without an exponent nothing can be scaled")
    assert len(figure.traces) == walk.waiting_times.size + 1
    nothing = DisplacementTable([], [], np.zeros((1, 0, 0, 1)), [3])
    empty = aging_collapse(nothing, aging_exponent(walk, 1e3))
    assert empty.traces == ()
    assert empty.conclusion == "No waiting time was recorded."
