"""All figures of aging and of the landscape on one page, drawn by a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from thermograd.estimators import aging
from thermograd.quantities import Estimate
from thermograd.report.aging_collapse import aging_collapse
from thermograd.report.aging_exponents import aging_exponents, exponent_against_threshold
from thermograd.report.aging_long_lags import curve_spread, diffusion_against_age
from thermograd.report.characteristic_times import characteristic_times
from thermograd.report.flatness_and_gap import TrainedNetworks, flatness_and_gap
from thermograd.report.gradient_norms import gradient_norms
from thermograd.report.learning_curves import LearningCurve, learning_curves
from thermograd.report.negative_fraction import negative_fraction
from thermograd.report.page import write_page
from thermograd.report.sorted_spectrum import sorted_spectrum
from thermograd.report.spectrum_boxes import spectrum_boxes
from thermograd.report.two_time_displacement import two_time_displacement

pytest.importorskip("plotly")


def figures(table):
    rng = np.random.default_rng(0)
    found = aging.aging_exponent(table)
    steps = np.unique(np.round(10 ** (np.arange(0, 33) / 8))).astype(int)
    loss = 0.5 + 1 / (1 + (steps / 100.0) ** 2) + 0.01 * rng.normal(size=(8, steps.size))
    spectra = {step: rng.normal(size=(4, 30)) ** 3 for step in (0, 10, 100, 1000)}
    traces = rng.gamma(4.0, 20.0, 8)
    laws = {window: aging.diffusion(table, lags=window) for window in ("short", "long")}
    return [
        learning_curves({"H = 1": LearningCurve(steps, loss, aging.learning_phases(steps, loss))}),
        two_time_displacement(table, thresholds=found.thresholds),
        characteristic_times({"H = 1": (table, found)}),
        aging_exponents({0.07: Estimate(0.7, (0.6, 0.8)), 0.24: Estimate(0.72, (0.65, 0.8))}, quantity="α"),
        exponent_against_threshold(
            aging.aging_exponent(table, np.geomspace(0.01, 0.2, 6)), stable=found.thresholds
        ),
        aging_collapse(table, found),
        diffusion_against_age(laws),
        curve_spread(aging.curve_spread(table)),
        spectrum_boxes(spectra),
        sorted_spectrum({"step 0": spectra[0], "step 1000": spectra[1000]}),
        negative_fraction({"H = 1": (list(spectra), rng.uniform(0.2, 0.4, size=(4, 4)))}),
        flatness_and_gap([TrainedNetworks("H = 1", 250, traces, traces / 250)]),
        gradient_norms({"H = 1": (steps, loss)}, since=1000),
    ]


def test_every_figure_has_a_sentence_axes_and_numbers(walk, writable):
    drawn = figures(walk)
    assert len({figure.name for figure in drawn}) == len(drawn)
    for figure in drawn:
        writable(figure)
        assert figure.conclusion.endswith(".")
        assert figure.rows()
        assert figure.traces
        assert figure.layout["xaxis"]["title"]["text"]
        assert figure.layout["yaxis"]["title"]["text"]


@pytest.mark.browser
def test_the_page_draws_every_figure(browse, tmp_path, walk):
    drawn = figures(walk)
    page = write_page(tmp_path / "page.html", title="Aging", figures=drawn)
    seen = browse(page, picture=tmp_path / "page.png", dark=True)
    assert seen.ready
    assert seen.console == ()
    assert len(re.findall(r'class="plot [^"]*js-plotly-plot', seen.dom)) == len(drawn)
    assert seen.dom.count("cbtitle") >= 2  # the bars of waiting times
    assert "t_w (steps)" in seen.dom
