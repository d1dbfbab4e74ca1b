from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import plateau_test
from thermograd.quantities import Estimate
from thermograd.report.plateau import plateau


def residuals(values, runs=50, seed=0):
    """Mean residual times with a standard error of 0.1."""
    noise = np.random.default_rng(seed).normal(0, 0.1, 400)
    return {
        interval: Estimate(value, (value - 0.2, value + 0.2), pieces=runs, samples=value + noise)
        for interval, value in values.items()
    }


def drawn(values, **more):
    given = residuals(values)
    return plateau(plateau_test(given), given, **more)


def trace(figure, name):
    return next(entry for entry in figure.traces if entry["name"] == name)


def test_a_flat_one_says_so_and_what_was_left_out_is_open():
    figure = drawn({2: 9.0, 10: 4.0, 30: 4.1, 100: 3.9})
    assert "No dependence of the residual time" in figure.conclusion
    assert figure.table["in the test"] == ["no", "yes", "yes", "yes"]
    assert trace(figure, "mean residual time")["marker"]["symbol"] == [
        "circle-open",
        "circle",
        "circle",
        "circle",
    ]
    assert trace(figure, "plateau")["y"] == pytest.approx([4.0, 4.0])


def test_the_trend_is_the_fitted_line():
    """Equal errors: the ordinary least-squares line through the points."""
    at = np.array([10, 20, 50, 100])
    values = 4 + 0.5 * np.log10(at)
    line = trace(drawn(dict(zip(at.tolist(), values.tolist(), strict=True))), "trend")
    assert line["y"] == pytest.approx(4 + 0.5 * np.log10(np.array(line["x"])), abs=1e-5)


def test_a_strong_trend_is_no_plateau():
    assert "no plateau" in drawn({10: 3.0, 30: 5.0, 100: 9.0}).conclusion


def test_intervals_shorter_than_the_plateau_are_shaded():
    shade = trace(drawn({2: 9.0, 10: 4.0, 30: 4.0}), "shorter than the plateau")
    assert shade["x"] == pytest.approx([1.6, 4.0])
    assert "shorter than the plateau" not in [entry["name"] for entry in drawn({10: 4.0, 30: 4.0}).traces]


def test_one_interval_cannot_decide_and_has_no_line():
    figure = drawn({10: 4.0}, name="kick it")
    assert "cannot be decided" in figure.conclusion
    assert "trend" not in [entry["name"] for entry in figure.traces]
    assert figure.name == "plateau_kick_it"


def test_no_interval_that_can_be_used_is_drawn_all_the_same():
    figure = drawn({3: 9.0, 5: 8.0})
    assert [entry["name"] for entry in figure.traces] == ["mean residual time"]
