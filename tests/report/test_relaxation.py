from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import first_passage_times, quasi_steady_state, relaxation_time
from thermograd.report.relaxation import cramer_von_mises, quantile_deviation, quasi_steady


def steady_of(approach, runs=400, seed=1):
    values = np.random.default_rng(seed).normal(0, 1, (runs, 60)) - approach
    return quasi_steady_state(values, first_passage_times(values, 1e3), window=(20, 60), resamples=50)


TIME = np.arange(1, 61)
SETTLES, DRIFTS = 5 * np.exp(-TIME / 4), 0.1 * TIME


def marks(figure):
    return [trace["name"] for trace in figure.traces if trace["name"].startswith("settled by")]


@pytest.mark.parametrize(
    ("approach", "words"), [(SETTLES, "are quasi-steady, from epoch"), (DRIFTS, "Not robustly")]
)
def test_a_relaxation_time_is_marked_only_if_there_is_one(approach, words):
    steady = steady_of(approach)
    figure = quasi_steady(steady)
    assert words in figure.conclusion
    found = [relaxation_time(steady, criterion=name) for name in ("distance", "kolmogorov_smirnov")]
    if approach is SETTLES:
        assert marks(figure) == [
            f"settled by {n}: {f.value:g}" for n, f in zip(("distance", "p-value"), found, strict=True)
        ]
    else:
        assert not [name for name in marks(figure) if "distance" in name]


def test_the_panels_are_apart_and_share_their_time():
    drawn = quasi_steady(steady_of(SETTLES))
    assert drawn.layout["yaxis"]["domain"][1] < drawn.layout["yaxis2"]["domain"][0]
    assert {trace.get("yaxis", "y") for trace in drawn.traces} == {"y", "y2"}


def test_what_never_passes_the_test_says_so():
    assert "The p-value never exceeds 0.05." in quasi_steady(steady_of(2.0 * TIME)).conclusion


def test_the_deviation_is_that_of_the_distribution_functions():
    """Normal values whose mean drifts linearly: F_t - F is known in closed form."""
    from scipy.special import ndtr, ndtri

    steady = steady_of(0.02 * TIME, runs=4000)
    figure = quantile_deviation(steady)
    window = np.arange(20, 61)
    for moment in (20, 40, 60):
        grid = np.linspace(-6, 5, 4001)
        mean = ndtr(grid[:, None] + 0.02 * window).mean(axis=1)
        exact = np.interp(
            figure.table["quantile of the mean distribution"], mean, ndtr(grid + 0.02 * moment) - mean
        )
        # 1.36 / sqrt(4000) is the 5 % point of one comparison; twice that has probability below 1e-6
        assert np.abs(np.array(figure.table[f"epoch {moment}"]) - exact).max() < 2 * 1.36 / np.sqrt(4000)
    assert "so they drift" in figure.conclusion
    assert ndtri(0.975) == pytest.approx(1.96, abs=1e-3)


def test_without_drift_the_deviation_is_within_the_noise():
    assert "cannot decide" in quantile_deviation(steady_of(0 * TIME)).conclusion


def test_the_noise_floor_is_a_sixth_of_one_over_the_survivors():
    figure = cramer_von_mises(steady_of(0 * TIME))
    assert np.array(figure.table["noise floor"]) == pytest.approx(1 / (6 * 400), rel=0.01)
    ratio = np.array(figure.table["CM"]) / figure.table["noise floor"]
    assert 0.5 < ratio.mean() < 1.5
    assert "cannot decide" in figure.conclusion


def test_a_drift_is_above_the_noise():
    figure = cramer_von_mises(steady_of(DRIFTS))
    assert "keep drifting" in figure.conclusion
    assert figure.table["CM"][0] > 10 * figure.table["noise floor"][0]
