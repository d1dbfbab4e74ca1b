from __future__ import annotations

import numpy as np

from thermograd.quantities import Advice, Estimate, Prediction, Verdict
from thermograd.report.quantity import advice, measured, predicted, verdict


def test_a_number_is_a_point_with_its_interval():
    figure = measured(Estimate(3.0, (2.0, 5.0), unit="epoch"))
    (trace,) = figure.traces
    assert trace["y"] == [3.0]
    assert trace["error_y"]["array"] == [2.0]
    assert trace["error_y"]["arrayminus"] == [1.0]
    assert figure.layout["yaxis"]["title"]["text"] == "value (epoch)"
    assert figure.conclusion == "3 (2 to 5 at 95 %) epoch"


def test_a_curve_has_a_band_and_a_matrix_a_map():
    curve = measured(Estimate(np.array([1.0, 2.0]), (np.zeros(2), np.array([3.0, np.inf]))))
    assert [trace.get("fill") for trace in curve.traces] == [None, "tonexty", None]
    assert curve.traces[1]["y"] == [3.0, None]
    matrix = measured(Estimate(np.eye(2), (np.eye(2), np.eye(2))))
    assert matrix.traces[0]["type"] == "heatmap"


def test_theory_is_dashed_and_says_where_it_holds():
    figure = predicted(Prediction(np.array([1.0, 2.0]), at=np.array([5, 9]), valid=np.array([False, True])))
    assert figure.traces[-1]["line"]["dash"] == "dash"
    assert figure.traces[-1]["x"] == [5.0, 9.0]
    assert figure.table["assumptions hold"] == ["no", "yes"]


def test_verdict_and_advice_are_tables_of_escaped_text():
    shown = verdict(Verdict(None, "plateau_assumed", "One interval only.", {"<b>p</b>": 0.25}))
    assert shown.traces[0]["cells"]["values"] == [["&lt;b&gt;p&lt;/b&gt;"], ["0.25"]]
    assert shown.conclusion == "undecided: One interval only."
    ranked = advice(Advice("Wait.", ranking=("a <i>b</i>",)))
    assert ranked.traces[0]["cells"]["values"][1] == ["a &lt;i&gt;b&lt;/i&gt;"]
