"""Two panels of divergences: what is drawn where, and which points are upper ends only."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.quantities import Estimate
from thermograd.report.sampler_divergence import Divergences, sampler_divergence

RATES = np.array([1e-8, 1e-7, 1e-6])


@pytest.fixture
def figure():
    exact = {"hot": 1e12 * RATES**2, "good": 1e36 * RATES**6}
    simulated = [
        ("hot", 1e-6, Estimate(1.1, (0.9, 1.3))),
        ("good", 1e-6, Estimate(-0.1, (-0.4, 0.2))),
        ("good", 1e-7, Estimate(-0.4, (-0.6, -0.2))),
    ]
    continuous = {"good": np.where(RATES < 1e-6, exact["good"], np.nan)}
    return sampler_divergence(
        Divergences(RATES, continuous, exact, {"good": 6.0}, {"hot": 2.0}, simulated, 0.3)
    )


def test_theory_is_left_and_algorithms_are_right(figure, trace, writable):
    writable(figure)
    left, right = trace(figure, "good")
    assert "xaxis" not in left
    assert (right["xaxis"], right["yaxis"]) == ("x2", "y2")
    assert left["y"][-1] is None  # no stationary state there
    assert left["line"] == right["line"]


def test_an_interval_that_reaches_0_is_an_upper_end(figure, trace):
    (mark,) = trace(figure, "hot, simulated")
    assert mark["error_y"]["array"] == pytest.approx([0.2])
    (bound,) = trace(figure, "good, at most")
    assert (bound["x"], bound["y"]) == ([1e-6], [0.2])  # that with an end below 0 is not drawn
    assert trace(figure, "good, simulated")[0]["x"] == []


def test_the_conclusion_counts_what_agrees(figure):
    """Negative control: the third measurement lies below 0, where no divergence is."""
    assert "Of 3 simulated divergences 1 agree" in figure.conclusion
    assert "good 6.00" in figure.conclusion
    assert len(figure.table["η"]) == 3 * 3 + 3


def test_without_simulation_there_is_no_floor(trace, writable):
    found = sampler_divergence(Divergences(RATES, {}, {"hot": RATES}, {}, {"hot": 1.0}))
    writable(found)
    assert not trace(found, "not resolved by the simulation")
    assert "simulated" not in found.conclusion
