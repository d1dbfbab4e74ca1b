from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import root_mean_square
from thermograd.report.gradient_norms import gradient_norms

STEPS = np.array([0, 1, 10, 100, 1000, 10_000, 20_000, 30_000, 40_000])


def norms(level=0.1, runs=24, seed=0):
    rng = np.random.default_rng(seed)
    return (level + 1 / (1 + STEPS / 10)) * np.exp(0.1 * rng.normal(size=(runs, STEPS.size)))


def test_curves_and_root_mean_squares_are_those_of_the_record(trace, writable):
    values = norms()
    figure = gradient_norms({"H = 1": (STEPS, values)}, which="minibatch gradient")
    writable(figure)
    mean = trace(figure, "H = 1")[-1]
    assert mean["x"] == STEPS[1:].tolist()
    assert mean["y"] == pytest.approx(values.mean(axis=0)[1:], rel=1e-6)
    late = root_mean_square(values, STEPS, 10_000)
    (level,) = trace(figure, "H = 1, rms")
    assert level["x"] == [10_000.0, 40_000.0]
    assert level["y"] == pytest.approx([late.value] * 2, rel=1e-6)
    assert set(figure.table["rms from step 10000 on"]) == {late.value}
    assert set(figure.table["to"]) == {late.high}
    assert figure.table["mean norm"] == pytest.approx(values.mean(axis=0))
    assert f"H = 1: {late.value:.3g} (" in figure.conclusion
    assert figure.name == "gradient_norms_minibatch_gradient"


def test_a_short_record_has_no_late_norm(trace, writable):
    figure = gradient_norms({"a": (STEPS[:5], norms()[:, :5])})
    writable(figure)
    assert not trace(figure, "a, rms")
    assert figure.table["rms from step 10000 on"] == [None] * 5
    assert figure.conclusion.startswith("Mean norm at the end, a: ")
    assert gradient_norms({"a": (STEPS[:5], norms()[:, :5])}, since=100).conclusion.startswith(
        "Root mean square"
    )


def test_diverged_trajectories_do_not_count(writable):
    values = norms()
    values[3, 4:] = np.nan
    figure = gradient_norms({"a": (STEPS, values)})
    writable(figure)
    rest = np.delete(values, 3, axis=0)
    assert figure.table["rms from step 10000 on"][0] == pytest.approx(root_mean_square(rest, STEPS).value)


def test_nothing_and_wrong_shapes(writable):
    for given in ({}, {"a": ([], [])}, {"a": ([1, 2], [[np.nan, np.nan]])}, {"a": ([1], [0.0])}):
        figure = gradient_norms(given)
        writable(figure)
        assert figure.traces == ()
    assert gradient_norms({}).conclusion == "No gradient was recorded."
    with pytest.raises(ConfigError, match="values have shape"):
        gradient_norms({"a": ([1, 2], [0.1])})
