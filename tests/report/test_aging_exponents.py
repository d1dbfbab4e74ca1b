from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from thermograd.estimators.aging import aging_exponent
from thermograd.quantities import Estimate
from thermograd.report.aging_exponents import aging_exponents, exponent_against_threshold
from thermograd.report.figures import figures_of

PUBLISHED = Estimate(0.709, (0.692, 0.726))


def mu(value, half=0.02, **more):
    return Estimate(value, (value - half, value + half), **more)


def test_markers_and_table_are_the_estimates(trace, writable):
    given = {0.067: mu(0.70), 0.236: mu(0.72, note="7 trajectories")}
    figure = aging_exponents(given, quantity="parameters per sample α", published=PUBLISHED)
    writable(figure)
    (mark,) = trace(figure, "exponent")
    assert mark["x"] == [0.067, 0.236]
    assert mark["y"] == [0.70, 0.72]
    assert mark["error_y"]["array"] == pytest.approx([0.02, 0.02])
    assert figure.table["parameters per sample α"] == [0.067, 0.236]
    assert figure.table["to"] == pytest.approx([0.72, 0.74])
    assert figure.table["note"] == ["", "7 trajectories"]


def test_the_mean_and_the_published_value_are_lines(trace):
    figure = aging_exponents({1: mu(0.70), 2: mu(0.72)}, published=PUBLISHED)
    assert trace(figure, "published 0.709")[-1]["y"] == [0.709, 0.709]
    assert trace(figure, "weighted mean, 95 %")[-1]["y"] == pytest.approx([0.71, 0.71])
    assert "Weighted mean of 2 0.71" in figure.conclusion
    assert "may be one number" in figure.conclusion
    assert "it meets the published 0.709 (0.692–0.726)." in figure.conclusion


def test_exponents_that_differ_are_said_to():
    figure = aging_exponents({1: mu(0.5), 2: mu(0.9)}, published=Estimate(2.0, (1.9, 2.1)))
    assert "of exponents that differ" in figure.conclusion
    assert "does not meet" in figure.conclusion


def test_names_are_ticks(writable):
    figure = aging_exponents({"784-5-10": mu(0.7), "<b>, wide": mu(0.8)}, quantity="network")
    writable(figure)
    assert figure.layout["xaxis"]["ticktext"] == ["784-5-10", "&lt;b&gt;,<br>wide"]


def test_one_exponent_and_none_and_one_without_an_interval(writable):
    one = aging_exponents({3: mu(0.7)})
    writable(one)
    assert one.conclusion == "0.7 (0.68–0.72)."
    nothing = aging_exponents({})
    writable(nothing)
    assert nothing.traces == ()
    unknown = aging_exponents({3: Estimate(0.7, (-np.inf, np.inf)), 4: Estimate(np.nan, (np.nan, np.nan))})
    writable(unknown)
    assert unknown.conclusion == "No exponent with an interval was given."


def test_thresholds_are_drawn_one_by_one(walks, trace, writable):
    table = walks(0.5, runs=8)
    grid = aging_exponent(table, np.geomspace(0.01, 0.1, 7))
    stable = aging_exponent(table).thresholds
    figure = exponent_against_threshold(grid, stable=stable)
    writable(figure)
    (mark,) = trace(figure, "one threshold, 95 %")
    thresholds, exponents, deviations = grid.per_threshold
    assert mark["x"] == pytest.approx(thresholds, rel=1e-6)
    assert mark["y"] == pytest.approx(exponents, rel=1e-6)
    assert mark["error_y"]["array"] == pytest.approx(2.3646 * deviations, rel=1e-3)  # t of 7 degrees
    assert figure.table["standard error"] == deviations.tolist()
    shade = trace(figure, "stable thresholds")[1]
    assert shade["x"] == pytest.approx([stable[0] / 1.08, stable[1] * 1.08], rel=1e-6)
    assert trace(figure, "all thresholds, 95 %")[-1]["y"] == pytest.approx(
        [grid.exponent.value] * 2, rel=1e-6
    )
    assert "stable from" in figure.conclusion
    assert "waiting times 3 to 1000" in figure.conclusion


def test_an_aging_draws_itself_also_without_an_exponent(walk, writable):
    (figure,) = figures_of(aging_exponent(walk, 0.03))
    writable(figure)
    assert "Only one threshold, 0.03" in figure.conclusion
    (nothing,) = figures_of(aging_exponent(walk, 1e3))
    writable(nothing)
    assert nothing.traces == ()
    assert "never reaches" in nothing.conclusion


def test_an_unknown_error_has_no_bar(walk, writable):
    found = aging_exponent(walk, [0.02, 0.03])
    endless = Estimate(0.5, (-np.inf, np.inf), pieces=1)
    deviations = found.per_threshold._replace(deviations=np.array([np.inf, 0.1]))
    figure = exponent_against_threshold(
        dataclasses.replace(found, exponent=endless, per_threshold=deviations)
    )
    writable(figure)
    assert figure.traces[0]["error_y"]["array"] == [None, None]
