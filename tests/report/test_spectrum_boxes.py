from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.landscape import spectrum_summary
from thermograd.report.arsinh_scale import scale_of
from thermograd.report.spectrum_boxes import spectrum_boxes

START = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 50.0]
END = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]


def test_boxes_are_the_summary_and_every_outlier_is_drawn_and_listed(trace, writable):
    figure = spectrum_boxes({100: END, 0: START})
    writable(figure)
    summary = spectrum_summary(START)
    assert figure.table["step"] == [0, 100]
    assert [
        figure.table[name][0] for name in ("lower whisker", "first quartile", "median", "third quartile")
    ] == [
        summary.whiskers[0],
        *summary.quartiles,
    ]
    assert figure.table["outliers"] == ["50", ""]
    assert figure.table["number of outliers"] == [1, 0]
    assert figure.table["negative fraction"] == pytest.approx([2 / 7, 1 / 6])
    scale = scale_of([50.0])
    (box,) = trace(figure, "quartiles and whiskers")
    assert box["median"] == pytest.approx(scale([summary.quartiles[1], 1.5]), rel=1e-6)
    assert box["upperfence"] == pytest.approx(scale([3.0, 4.0]), rel=1e-6)
    (outlier,) = trace(figure, "outlier")
    assert outlier["y"] == pytest.approx(scale([50.0]), rel=1e-6)
    assert outlier["text"] == ["step 0: 50"]
    assert "Largest eigenvalue 50 at step 0, 4 at step 100; 1 of 13 eigenvalues" in figure.conclusion


def test_a_page_that_thins_its_figures_keeps_every_outlier():
    """Pooled runs have thousands of outliers; a trace for each step has few of them."""
    rng = np.random.default_rng(0)
    spectra = {step: rng.standard_cauchy(size=(16, 70)) for step in range(0, 2000, 100)}
    figure = spectrum_boxes(spectra)
    assert sum(figure.table["number of outliers"]) > 2000
    thinned = figure.thinned(2000)
    drawn = [len(mark["x"]) for mark in thinned.traces if mark["name"] == "outlier"]
    assert sum(drawn) == sum(figure.table["number of outliers"])
    assert [len(cell.split("; ")) for cell in thinned.table["outliers"]] == figure.table["number of outliers"]


def test_trajectories_are_pooled_and_what_is_not_finite_is_left_out():
    figure = spectrum_boxes({5: [START, [*END, np.nan]]})
    assert figure.table["eigenvalues"] == [13]


def test_no_outliers_and_no_spectrum(writable):
    one = spectrum_boxes({7: END})
    writable(one)
    assert one.conclusion == "Largest eigenvalue 4 at step 7; none of 6 eigenvalues lies beyond the whiskers."
    for given in ({}, {3: []}, {3: [np.nan]}):
        empty = spectrum_boxes(given)
        writable(empty)
        assert empty.traces == ()
        assert empty.conclusion == "No spectrum was recorded."
    writable(spectrum_boxes({0: [0.0, 0.0]}))
