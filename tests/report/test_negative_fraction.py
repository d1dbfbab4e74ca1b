from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.report.negative_fraction import negative_fraction

STEPS = [0, 10, 100]


def falling(runs=16, seed=0):
    noise = 0.02 * np.random.default_rng(seed).normal(size=(runs, 3))
    return np.array([0.4, 0.3, 0.2]) + noise


def test_markers_are_means_with_students_interval(trace, writable):
    values = falling()
    figure = negative_fraction({"H = 1": (STEPS, values)})
    writable(figure)
    _, mark = trace(figure, "H = 1")
    assert mark["x"] == pytest.approx([-1, 1, 2], abs=1.01)
    assert mark["y"] == pytest.approx(values.mean(axis=0), rel=1e-6)
    half = 2.13145 * values.std(axis=0, ddof=1) / 4  # t of 15 degrees
    assert mark["error_y"]["array"] == pytest.approx(half, rel=1e-4)
    assert figure.table["negative fraction"] == pytest.approx(values.mean(axis=0))
    assert figure.table["runs"] == [16, 16, 16]
    assert figure.layout["xaxis"]["ticktext"] == ["0", "10", "100"]


def test_the_sign_test_is_exact():
    """16 of 16: 2/2^16 = 3.05e-5."""
    text = negative_fraction({"H = 1": (STEPS, falling())}).conclusion
    assert text.startswith("H = 1: from 0.4")
    assert "fewer in 16 of 16 runs (sign test p = 3.1e-05), none has lost them all." in text


def test_no_trend_is_no_evidence():
    """Negative control: 5 of 10 down."""
    ends = np.tile([[0.2, 0.3], [0.3, 0.2]], (5, 1))
    text = negative_fraction({"": ([1, 2], ends)}).conclusion
    assert "fewer in 5 of 10 runs (sign test p = 1)" in text


def test_runs_that_lost_them_all_and_ties():
    ends = np.array([[0.1, 0.0], [0.1, 0.1], [0.2, 0.1]])
    text = negative_fraction({"a": ([1, 2], ends)}).conclusion
    assert "fewer in 2 of 3 runs (sign test p = 0.5), 1 of 3 runs have none left" in text
    still = negative_fraction({"a": ([1, 2], np.full((3, 2), 0.1))}).conclusion
    assert "sign test p = 1)" in still


def test_one_run_has_no_bars_and_missing_values_are_left_out(trace, writable):
    figure = negative_fraction({"a": (STEPS, [0.4, np.nan, 0.2])})
    writable(figure)
    _, mark = trace(figure, "a")
    assert mark["y"] == [0.4, None, 0.2]
    assert mark["error_y"]["array"] == [None] * 3
    assert figure.conclusion == "a: from 0.4 at step 0 to 0.2 at step 100 (one run)."
    apart = negative_fraction({"a": ([1, 2], [[0.4, np.nan], [np.nan, 0.2]])})
    assert apart.conclusion == "a: 0.2 at step 2."
    single = negative_fraction({"a": ([1], [[0.4], [0.2]])})
    assert single.conclusion == "a: 0.3 at step 1."


def test_nothing_and_wrong_shapes(writable):
    for given in ({}, {"a": ([1], [np.nan])}):
        figure = negative_fraction(given)
        writable(figure)
        assert figure.traces == ()
        assert figure.conclusion == "No fraction was recorded."
    with pytest.raises(ConfigError, match="fractions have shape"):
        negative_fraction({"a": ([1, 2], [0.1])})
