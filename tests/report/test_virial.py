"""Virials drawn from chains whose heat is known."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.quantities import Estimate
from thermograd.report.virial import virial_against_time, virial_by_mode


def test_the_band_holds_the_heat_of_the_chains(trace, writable):
    normal = np.random.default_rng(0).normal(size=(400, 60, 3))
    heat = {"good": (normal**2).mean(axis=2), "hot": 1.44 * (normal**2).mean(axis=2)}
    figure = virial_against_time(heat, np.arange(1, 61), what="a parabola")
    writable(figure)
    line = next(entry for entry in trace(figure, "hot") if entry["line"]["width"])
    assert np.mean(line["y"]) == pytest.approx(1.44, abs=0.03)  # 4 sigma: 0.03
    low, high = (np.array(figure.table[name]).reshape(2, -1) for name in ("95 % from", "to"))
    for row, truth in enumerate((1.0, 1.44)):
        assert ((low[row] < truth) & (truth < high[row])).mean() > 0.8
    assert ((low[1] < 1.0) & (1.0 < high[1])).mean() < 0.2  # negative control: hot chains are not at 1


def test_modes_are_drawn_with_their_predictions(trace, writable):
    curvatures = np.array([10.0, 1000.0])
    found = Estimate(np.array([1.0, 1.5]), (np.array([0.9, 1.4]), np.array([1.1, 1.6])), level=0.99)
    figure = virial_by_mode(curvatures, {"hot": found}, {"hot": np.array([1.005, 1.5])}, lines="leading bias")
    writable(figure)
    (mark,) = trace(figure, "hot")
    assert mark["x"] == curvatures.tolist()
    assert mark["error_y"]["array"] == pytest.approx([0.1, 0.1])
    assert trace(figure, "hot, predicted")[0]["y"] == [1.005, 1.5]
    assert "hot 1.500 (1.400 to 1.600)" in figure.conclusion
    assert "leading bias" in figure.conclusion


def test_without_prediction_there_are_markers_only(trace, writable):
    found = Estimate(np.array([1.0]), (np.array([0.9]), np.array([1.1])))
    figure = virial_by_mode(np.array([5.0]), {"one": found})
    writable(figure)
    assert not trace(figure, "one, predicted")
    assert figure.table["predicted"] == [None]
