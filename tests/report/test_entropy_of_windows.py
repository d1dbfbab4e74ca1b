"""Entropy of Gaussian windows, for which both theorems hold exactly."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.stationary_state import (
    detailed_fluctuation,
    detailed_fluctuation_curve,
    entropy_production,
    integral_fluctuation,
)
from thermograd.report.entropy_of_windows import detailed_theorem, entropy_growth, integral_theorem

PRODUCTION = 0.2


@pytest.fixture(scope="module")
def sigma():
    """σ of windows of 1 to 3 updates: normal, variance twice the mean."""
    rng = np.random.default_rng(0)
    return {n: rng.normal(n * PRODUCTION, np.sqrt(2 * n * PRODUCTION), size=(20, 1000)) for n in (1, 2, 3)}


def test_histograms_hold_everything_but_the_outermost(sigma, trace, writable):
    averages = {n: integral_fluctuation(values) for n, values in sigma.items()}
    figure = integral_theorem(sigma, averages)
    writable(figure)
    centres = np.array(figure.table["exp(−σ)"])
    for name in ("1 update", "2 updates", "3 updates"):
        share = np.array(figure.table[name]).sum() * (centres[1] - centres[0])
        assert 0.98 < share <= 1 + 1e-9
        assert len(trace(figure, name)) == 1
    mean = trace(figure, "mean, 2")[0]["x"]
    assert mean == pytest.approx([averages[2].value] * 2, rel=1e-6)
    assert "shows no equilibration" in figure.conclusion


def test_log_ratios_lie_on_the_line(sigma, trace, writable):
    curves = {n: detailed_fluctuation_curve(values) for n, values in sigma.items()}
    slopes = {n: detailed_fluctuation(values) for n, values in sigma.items()}
    figure = detailed_theorem(curves, slopes)
    writable(figure)
    place, low, high = (np.array(figure.table[name]) for name in ("σ", "from", "to"))
    assert np.isfinite([low, high]).all()
    assert ((low <= -place) & (-place <= high)).mean() > 0.85
    line = trace(figure, "theory, −σ")[0]
    assert line["y"] == [-end for end in line["x"]]
    assert f"{slopes[1].value:.3f}" in figure.conclusion


def test_bins_without_an_interval_are_left_out(writable):
    """One window below 0: only the bins that hold both signs have a logarithm."""
    sigma = np.concatenate([[-1.0], np.linspace(0.1, 5.0, 99)]).reshape(1, -1)
    centres, curve = detailed_fluctuation_curve(sigma)
    figure = detailed_theorem({1: (centres, curve)}, {})
    writable(figure)
    assert len(figure.table["σ"]) <= 1


def test_growth_over_the_line_of_theory(sigma, trace, writable):
    measured = {n: entropy_production(values, length=n) for n, values in sigma.items()}
    figure = entropy_growth(measured, PRODUCTION)
    writable(figure)
    low, high, theory = (np.array(figure.table[name]) for name in ("from", "to", "theory"))
    assert theory == pytest.approx([0.2, 0.4, 0.6])
    assert ((low < theory) & (theory < high)).sum() >= 2
    assert trace(figure, "theory")[0]["y"] == pytest.approx([0.0, 0.6])
    assert figure.table["mean entropy"][2] == pytest.approx(sigma[3].mean())
