from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from thermograd.report.figure import Figure, csv_cell, escaped, numbers, spaced


def figure(count):
    values = list(range(count))
    trace = {
        "x": values,
        "y": values,
        "error_y": {"array": values},
        "line": {"color": "#222222"},
        "name": "a",
    }
    return Figure("stem", "name", "t", "c", (trace,), {}, {"x": values, "y": values})


@pytest.mark.parametrize(("length", "points"), [(5, 10), (10, 10), (11, 10), (10_000, 2000), (3, 2)])
def test_thinning_keeps_first_and_last_and_never_exceeds_the_limit(length, points):
    kept = spaced(length, points)
    assert kept[0] == 0
    assert kept[-1] == length - 1
    assert len(kept) <= points or length <= points
    assert np.all(np.diff(kept) > 0)


def test_a_thinned_figure_thins_all_that_belongs_to_a_point():
    thin = figure(1000).thinned(10)
    (trace,) = thin.traces
    assert trace["x"] == trace["y"] == trace["error_y"]["array"] == thin.table["x"]
    assert len(trace["x"]) == 10
    assert trace["line"] == {"color": "#222222"}
    assert figure(1000).points == 1000


def test_plotly_sees_no_markup_and_no_control_characters():
    assert escaped("<b>x</b> & <a href='y'>") == "&lt;b&gt;x&lt;/b&gt; &amp; &lt;a href='y'&gt;"
    assert "\x1b" not in escaped("\x1b[31m")


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2+3", "@sum", "\t=1", "=HYPERLINK(1)"])
def test_formulas_do_not_reach_a_spreadsheet(cell):
    assert csv_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-0.5", "+1e3", "-inf", "plain", "1-2"])
def test_numbers_and_text_stay_as_they_are(cell):
    assert csv_cell(cell) == cell


def test_csv_reads_back_as_the_table():
    table = {"time, in epochs": [1.0, 2.0], 'a "quoted" name': ["=x", "line\nbreak"]}
    shown = Figure("s", "n", "t", "c", (), {}, table)
    rows = list(csv.reader(io.StringIO(shown.csv())))
    assert rows == [["time, in epochs", 'a "quoted" name'], ["1", "'=x"], ["2", "line\nbreak"]]


def test_json_numbers_have_no_nan_and_seven_digits():
    assert numbers([math.pi, math.inf, -math.inf, math.nan, 1e300]) == [3.141593, None, None, None, 1e300]
