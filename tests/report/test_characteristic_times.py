from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.aging import aging_exponent, characteristic_time
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.report.characteristic_times import characteristic_times

LAGS = np.array([1, 2, 4, 8, 16, 32, 64])


def power_law(exponent=0.5, ages=(1, 4, 16, 64), scatter=(1.0,)):
    """Δ = t / t_w^μ in every trajectory but for a factor, for one weight: t* = Δ* t_w^μ."""
    delta = LAGS / np.array(ages, float)[:, None] ** exponent
    return DisplacementTable(ages, LAGS, np.array(scatter)[:, None, None, None] * delta[..., None], [1])


def drawn(table, level=3.0, **more):
    return characteristic_times({"": (table, aging_exponent(table, level))}, **more)


def test_times_line_and_table_are_those_of_the_estimator(walk, trace, writable):
    aging = aging_exponent(walk, 0.03)
    figure = characteristic_times({"walk": (walk, aging)})
    writable(figure)
    times = characteristic_time(walk, 0.03)
    seen = ~times.censored
    (mark,) = trace(figure, "walk, Δ* 0.03")
    assert mark["x"] == times.waiting_times[seen].tolist()
    assert mark["y"] == pytest.approx(times.times[seen], rel=1e-6)
    assert np.isfinite(mark["error_y"]["array"]).all()
    (line,) = trace(figure, "walk, Δ* 0.03, fit")
    slope = np.log(line["y"][1] / line["y"][0]) / np.log(line["x"][1] / line["x"][0])
    assert slope == pytest.approx(aging.exponent.value, abs=1e-5)
    assert figure.table["t* (steps)"] == pytest.approx(times.times.tolist(), nan_ok=True)
    assert set(figure.table["threshold Δ*"]) == {0.03}
    assert "t_w 3…" in figure.conclusion
    assert f"{aging.exponent.value:.2f}" in figure.conclusion
    assert "Δ* 0.03" in figure.conclusion


def test_an_exact_law_lies_on_its_line():
    figure = drawn(power_law(), 3.0)
    line, mark = figure.traces
    assert mark["y"] == pytest.approx([3.0, 6.0, 12.0, 24.0])
    assert line["y"] == pytest.approx([3.0, 24.0])
    assert "0.50" in figure.conclusion


def test_error_bars_are_a_bootstrap_over_trajectories():
    """Δ_r = f_r t with f lognormal of sd 0.1, 16 runs: t* = Δ*/mean f, known to 0.1/√16 = 2.5 %."""
    scatter = np.exp(0.1 * np.random.default_rng(0).normal(size=16))
    mark = drawn(power_law(scatter=scatter)).traces[1]
    half = np.array(mark["error_y"]["array"]) + mark["error_y"]["arrayminus"]
    assert half / mark["y"] == pytest.approx(2 * 2.13 * 0.025, rel=0.35)


def test_a_single_run_has_no_bars():
    figure = drawn(power_law())
    assert figure.traces[1]["error_y"]["array"] == [None] * 4
    assert "one run" in figure.conclusion


def test_censored_times_are_triangles_where_the_lags_end(trace, writable):
    """t* = Δ* t_w^½: 20, 28 and 40, then beyond the last lag, 64, at Δ* = 20; three below the first lag at 0.4."""
    table = power_law(ages=(1, 2, 4, 16, 64), scatter=(0.99, 1.01))
    figure = characteristic_times({"a": (table, aging_exponent(table, 20.0))})
    writable(figure)
    (longer,) = trace(figure, "a, Δ* 20: t* is longer")
    assert longer["x"] == [16, 64]
    assert longer["y"] == [64.0, 64.0]
    assert longer["marker"]["symbol"] == "triangle-up-open"
    assert figure.table["censored"] == ["no", "no", "no", "longer", "longer"]
    assert figure.table["95 % from"][-2:] == [64.0, 64.0]
    assert figure.table["to"][-2:] == [np.inf, np.inf]
    assert figure.conclusion.endswith("2 times are beyond the lags measured: triangles.")
    low = characteristic_times({"a": (table, aging_exponent(table, 20.0))}, threshold=0.4)
    (shorter,) = trace(low, "a, Δ* 0.4: t* is shorter")
    assert shorter["y"] == [1.0, 1.0, 1.0]
    assert shorter["marker"]["symbol"] == "triangle-down-open"


def test_what_the_exponent_does_not_rest_on_is_open_and_has_no_line(trace):
    table = power_law(ages=(1, 2, 4, 8, 16))
    aging = aging_exponent(table, 3.0, waiting=(2, 8))
    used, left = trace(characteristic_times({"a": (table, aging)}), "a, Δ* 3")
    assert used["x"] == [2, 4, 8]
    assert left["x"] == [1, 16]
    assert left["marker"]["symbol"] == "circle-open"
    assert (used["showlegend"], left["showlegend"]) == (True, False)
    other = characteristic_times({"a": (table, aging)}, threshold=5.0)
    assert not trace(other, "a, Δ* 5, fit")
    assert set(other.table["in the fit"]) == {"no"}


def test_a_resample_that_never_arrives_leaves_the_interval_open(trace):
    """One of three runs does not move: in the resamples without the others Δ* is never reached."""
    table = power_law(scatter=(1.0, 1.0, 1e-9))
    figure = drawn(table, 3.0)
    assert np.inf in figure.table["to"]
    (mark,) = trace(figure, "Δ* 3")
    assert max(mark["error_y"]["array"]) <= 9 * max(mark["y"])


def test_several_settings_share_a_drawing_and_each_names_its_window(walks):
    tables = {"slow": walks(0.8), "fast": walks(0.2)}
    given = {name: (table, aging_exponent(table, 0.05)) for name, table in tables.items()}
    figure = characteristic_times(given, threshold=0.05)
    assert figure.conclusion.startswith("Exponents μ of t* ~ t_w^μ: slow: ")
    assert figure.conclusion.count("Δ* 0.05") == 2
    assert {"slow", "fast"} == set(figure.table["series"])


def test_no_exponent_says_why(walk):
    figure = characteristic_times({"walk": (walk, aging_exponent(walk, 1e3))})
    assert figure.table == {}
    assert figure.traces == ()
    assert "never reaches" in figure.conclusion
    assert characteristic_times({}).conclusion == "No table was given."


def test_no_exponent_with_a_threshold_shows_where_the_times_are_censored(walk, writable):
    figure = characteristic_times({"walk": (walk, aging_exponent(walk, 1e3))}, threshold=1e3)
    writable(figure)
    assert set(figure.table["censored"]) == {"longer"}
