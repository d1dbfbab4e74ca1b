from __future__ import annotations

import json
import math

import numpy as np
import pytest

from thermograd.estimators.fluctuation_dissipation import landscape_response as fitted
from thermograd.report.figures import figures_of
from thermograd.report.first_cuts import FirstCuts, first_cuts
from thermograd.report.half_running import BothSides, both_sides, several_rates
from thermograd.report.landscape_response import samplers_compared
from thermograd.report.schedules import ScheduledTraining, schedules


def trace(figure, name):
    return [entry for entry in figure.traces if entry["name"] == name]


def writable(figure):
    json.dumps([figure.traces, figure.layout, figure.table], allow_nan=True)
    json.dumps([figure.traces, figure.layout], allow_nan=False)
    assert len({len(column) for column in figure.table.values()}) == 1


def sides(rate, left=1.0, steps=1000):
    return BothSides(rate, np.ones(steps), np.full(steps, left), np.full(steps, 2.0))


def test_half_running_averages_of_constants_are_the_constants():
    figure = both_sides(sides(0.1))
    (left,), (right,) = trace(figure, "dissipation O_L"), trace(figure, "fluctuation O_R")
    assert set(left["y"]) == {1.0}
    assert set(right["y"]) == {2.0}
    assert left["x"][0] == 1
    assert left["x"][-1] == 1000
    assert len(left["x"]) <= 300
    assert "their ratio is 0.50" in figure.conclusion
    writable(figure)


def test_a_negative_dissipation_pauses_on_the_logarithm():
    (left,) = trace(both_sides(sides(0.1, left=-1.0)), "dissipation O_L")
    assert set(left["y"]) == {None}


def test_every_rate_has_a_colour_of_its_own():
    figure = several_rates([sides(0.1), sides(0.05, 2.0, 60)])
    colours = {trace(figure, f"O_R, η = {rate:g}")[0]["line"]["color"] for rate in (0.1, 0.05)}
    assert len(colours) == 2
    assert figure.conclusion == "At the end of each rate O_L / O_R is 0.50 at η = 0.1, 1.00 at η = 0.05."
    writable(figure)


def test_the_envelope_is_drawn_where_a_quadratic_loss_is_stable():
    rates = np.array([0.1, 0.2, 0.4, 1.5])
    response = fitted(rates, rates, 0.01 * rates, sampling="with_replacement", largest_curvature=2.0)
    (figure,) = figures_of(response)
    low, high = trace(figure, "a quadratic loss allows")
    assert low["x"] == [0.1, 0.2, 0.4]
    assert high["y"][0] == pytest.approx(low["y"][0] / (1 - 0.1), rel=1e-6)
    mark = trace(figure, "squared gradient")[0]
    assert mark["error_y"]["array"] == pytest.approx(0.01 * rates)
    writable(figure)


def test_samplers_are_compared_with_a_sentence_each():
    rates = np.array([0.1, 0.2, 0.4])
    found = {
        name: fitted(rates, size * rates, sampling=sampling)
        for name, size, sampling in (
            ("independent", 1, "with_replacement"),
            ("shuffled", 0.1, "without_replacement"),
        )
    }
    figure = samplers_compared(found)
    assert figure.conclusion.startswith("Independent: ")
    assert "Shuffled: " in figure.conclusion
    assert figure.table["batches"] == ["independent"] * 3 + ["shuffled"] * 3
    writable(figure)


def test_cuts_are_marked_and_the_lowest_loss_is_named_first():
    rate = np.repeat([[0.1, 0.01]], 10, axis=1)
    good = ScheduledTraining(rate, np.full((1, 20), 0.2), np.full((1, 20), 0.9), np.full((1, 20), 0.8))
    bad = ScheduledTraining(rate[:, :1].repeat(20, 1), np.full((1, 20), 0.5), *[np.full((1, 20), 0.5)] * 2)
    figure = schedules({"bad": bad, "good": good})
    assert trace(figure, "cut, good")[0]["x"] == [11]
    assert not trace(figure, "cut, bad")
    assert figure.conclusion.endswith("good 0.2, bad 0.5.")
    assert sum(entry.get("showlegend", True) for entry in figure.traces) == 2
    writable(figure)


def test_first_cuts_are_over_the_truth_and_a_run_that_never_cut_stands_at_the_horizon():
    figure = first_cuts(FirstCuts(100.0, {"one, two": (110.0, math.inf), "never": (math.inf,) * 2}, 500))
    (mark,) = trace(figure, "one, two")
    assert mark["x"] == [1.1, 5.0]
    assert mark["marker"]["symbol"] == ["circle", "triangle-right-open"]
    assert figure.conclusion == "one, two: 1.10 to 1.10 in 1 seeds, never in 1; never: never in 2 of 2 seeds."
    assert figure.layout["yaxis"]["ticktext"] == ["one,<br>two", "never"]
    writable(figure)
