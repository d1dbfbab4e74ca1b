from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import first_passage_times
from thermograd.report.survivors import density, survivors


def drifting(drift, seed=0):
    time = np.arange(1, 61)
    return np.random.default_rng(seed).normal(0, 1, (300, 60)) + drift * time


@pytest.mark.parametrize(("drift", "words"), [(0.02, "have drifted"), (0.0, "cannot decide")])
def test_survivors_drift_or_the_data_cannot_decide(drift, words):
    values = drifting(drift)
    passages = first_passage_times(values, 1e3)
    figure = survivors(values, passages, 1e3)
    assert words in figure.conclusion
    column = figure.table["time (epochs)"].index(30)
    assert figure.table["median"][column] == pytest.approx(np.median(values[:, 29]))


def test_only_survivors_count():
    values = np.array([[0.0, 1.0, 50.0], [0.0, 0.2, 0.4], [0.0, 0.3, 0.6]])
    figure = survivors(values, first_passage_times(values, 1.0), 1.0)
    assert figure.table["survivors"] == [3, 2, 2]
    assert figure.table["median"] == pytest.approx([0.0, 0.25, 0.5])


def test_the_interval_of_the_median_covers_it():
    outside = 0
    for seed in range(200):  # at least 95 % each; more than 24 of 200 outside has probability below 1e-4
        values = np.random.default_rng(seed).exponential(size=(40, 2))
        text = survivors(values, first_passage_times(values, 20.0), 20.0).conclusion
        low, high = text.split("survivors is ")[1].split("(")[1].split(")")[0].split("–")
        outside += not float(low) <= np.log(2) <= float(high)
    assert outside <= 24


def outlines(figure):
    return [np.array([trace["x"], trace["y"]]) for trace in figure.traces if trace.get("fill") == "toself"]


def test_a_violin_is_the_density_of_those_still_under_way():
    values = drifting(0.0)
    figure = survivors(values, first_passage_times(values, 1e3), 1e3)
    shown = outlines(figure)
    assert len(shown) == 12
    for x, y in shown:
        middle = (x.min() + x.max()) / 2
        column = values[:, round(middle) - 1]
        heights = y[: y.size // 2]
        exact = np.exp(-(heights**2) / 2)  # the values are standard normal; 300 of them, kernel width 0.27
        width = (middle - x[: x.size // 2]) / (middle - x.min())
        assert np.abs(width - exact / exact.max()).max() < 0.35
        assert (y.min(), y.max()) == pytest.approx(np.quantile(column, (0.005, 0.995)))


def test_a_density_integrates_to_one():
    values = np.random.default_rng(0).gamma(2.0, size=500)
    heights = np.linspace(-5, 25, 4000)
    assert density(values, heights).sum() * (heights[1] - heights[0]) == pytest.approx(1.0, abs=1e-6)


def test_equal_values_have_no_outline():
    values = np.zeros((20, 30))
    figure = survivors(values, first_passage_times(values, 1.0), 1.0)
    assert outlines(figure) == []
    assert figure.table["median"] == [0.0] * 30
