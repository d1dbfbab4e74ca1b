"""Reliability of predictions that say 80 % and are right in 60 %, beside those that are right in 80 %."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.posterior import calibration
from thermograd.report.reliability import reliability


def says_80(right):
    return calibration(np.tile([0.8, 0.2], (1000, 1)), np.repeat([0, 1], [right, 1000 - right]))


def test_bins_are_where_they_should_be(trace, writable):
    figure = reliability({"honest": says_80(800), "boasting": says_80(600)})
    writable(figure)
    (honest,), (boasting,) = trace(figure, "honest"), trace(figure, "boasting")
    assert (honest["x"], honest["y"]) == ([0.8], [0.8])
    assert boasting["y"] == [0.6]
    low, high = figure.table["95 % from"], figure.table["to"]
    assert low[0] < 0.8 < high[0]
    assert not low[1] < 0.8 < high[1]  # negative control
    assert "boasting 0.200" in figure.conclusion


def test_empty_bins_are_left_out(trace):
    (mark,) = trace(reliability({"one": says_80(700)}), "one")
    assert len(mark["x"]) == len(mark["error_y"]["array"]) == 1
    assert mark["error_y"]["array"][0] == pytest.approx(0.028, abs=0.002)
