"""Bands of a regression of which everything is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thermograd.report.predictive_band import PredictiveCurve, predictive_band


@pytest.fixture
def curve():
    rng = np.random.default_rng(0)
    inputs, x = np.linspace(-1, 1, 5), np.linspace(-1, 1, 2000)
    flat = np.full(5, 0.3)
    return PredictiveCurve(inputs, 2 * inputs, flat, 0.4, (x, 2 * x + rng.normal(scale=0.5, size=2000)), flat)


def test_noise_adds_in_quadrature(curve, trace, writable):
    figure = predictive_band(curve)
    writable(figure)
    upper = trace(figure, "new targets, ± 2 std")[1]
    assert np.array(upper["y"]) - 2 * curve.inputs == pytest.approx(2 * 0.5)
    assert "standard deviation is 1.000 to 1.000" in figure.conclusion
    share = float(figure.conclusion.split(" %")[0])
    assert share == pytest.approx(95.4, abs=2)  # 4 sigma: 1.9


def test_a_narrow_band_misses_data(curve):
    """Negative control."""
    figure = predictive_band(replace(curve, noise_std=0.0, std=curve.std / 3, exact=None))
    assert float(figure.conclusion.split(" %")[0]) < 50
    assert "exact" not in figure.conclusion
