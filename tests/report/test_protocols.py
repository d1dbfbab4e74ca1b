from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.protocols import mean_values


def noise(level, runs=60, seed=0, length=40):
    return np.random.default_rng(seed).normal(level, 1, (runs, length))


def test_means_and_their_intervals_are_those_of_the_runs():
    values = noise(0.0)
    table = mean_values({"left alone": values}, 1.0).table
    assert table["mean"] == pytest.approx(values.mean(axis=0))
    half = 2.001 * values.std(axis=0, ddof=1) / np.sqrt(60)  # Student, 59 degrees
    assert table["to"] == pytest.approx(values.mean(axis=0) + half, abs=1e-3)


def test_which_protocol_is_higher_or_that_it_is_open():
    apart = mean_values({"left alone": noise(0), "kicked": noise(1, seed=1)}, 1.0)
    assert "kicked lies above left alone" in apart.conclusion
    assert "cannot decide" in mean_values({"a": noise(0), "b": noise(0, seed=1)}, 1.0).conclusion


def test_only_times_that_all_have_are_compared():
    figure = mean_values({"a": noise(0), "b": noise(0, length=25)}, 1.0)
    assert max(figure.table["time (epochs)"]) == 25
