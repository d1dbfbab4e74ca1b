from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from thermograd.estimators.aging import CurveSpread, Diffusion, diffusion
from thermograd.estimators.aging import curve_spread as spread_of
from thermograd.quantities import Estimate
from thermograd.report.aging_long_lags import curve_spread, diffusion_against_age
from thermograd.report.figures import figures_of


def test_exponents_and_coefficients_are_the_estimates(walk, trace, writable):
    found = {"short": diffusion(walk, lags="short"), "long": diffusion(walk, lags="long")}
    figure = diffusion_against_age(found)
    writable(figure)
    law = found["long"]
    known = np.isfinite(law.exponent.value)
    above, below = trace(figure, "long")
    assert above["yaxis"] == "y2"
    assert above["y"] == pytest.approx(law.exponent.value[known], rel=1e-6)
    assert below["y"] == pytest.approx(law.coefficient.value[known], rel=1e-6)
    assert above["x"] == pytest.approx(law.waiting_times[known] * 1.02**0.5, rel=1e-6)
    assert (above["showlegend"], below["showlegend"]) == (True, False)
    assert figure.table["γ from"][-known.sum() :] == pytest.approx(law.exponent.low[known])
    assert f"γ = {law.exponent.value[known][0]:.2f} " in figure.conclusion
    assert figure.conclusion.startswith("Short: γ = ")


def test_one_law_draws_itself(walk):
    (figure,) = figures_of(diffusion(walk, lags="long"))
    assert figure.conclusion.startswith("Displacement grows as t^γ: γ = ")


def test_waiting_times_with_too_few_lags_are_left_out(writable):
    nothing = np.full(2, np.nan)
    unknown = Diffusion(
        np.array([1, 2]), Estimate(nothing, (nothing, nothing)), Estimate(nothing, (nothing, nothing))
    )
    figure = diffusion_against_age({"short": unknown})
    writable(figure)
    assert figure.traces == ()
    assert figure.conclusion == "Short: no waiting time has lags enough."
    empty = diffusion_against_age({})
    writable(empty)
    assert empty.conclusion == "Nothing was given."


def test_an_interval_without_end_has_no_bar(trace, writable):
    """One run with too few lags for a jackknife."""
    one = np.array([1.0])
    endless = Diffusion(
        np.array([5]), Estimate(one, (-np.inf * one, np.inf * one)), Estimate(one, (0 * one, np.inf * one))
    )
    figure = diffusion_against_age(endless)
    writable(figure)
    assert figure.conclusion.endswith("γ = 1.00 at t_w = 5.")
    assert trace(figure, "exponent γ, coefficient D")[0]["error_y"]["array"] == [None]


def test_the_spread_and_where_it_halves(walk, trace, writable):
    found = spread_of(walk)
    (figure,) = figures_of(found)
    writable(figure)
    known = np.isfinite(found.spread)
    assert trace(figure, "spread of the curves")[0]["y"] == pytest.approx(found.spread[known], rel=1e-6)
    assert figure.table["spread of ln Δ"] == pytest.approx(found.spread.tolist(), nan_ok=True)
    assert trace(figure, "half of the largest")[0]["y"][0] == pytest.approx(np.nanmax(found.spread) / 2)
    (mark,) = trace(figure, "merging lag")
    assert mark["x"] == [found.merging_lag.value]
    assert "they have merged to half of it." in figure.conclusion


def test_curves_that_do_not_merge_and_none_at_all(walk, trace, writable):
    found = dataclasses.replace(spread_of(walk), merging_lag=None)
    assert "do not merge" in curve_spread(found).conclusion
    open_ended = dataclasses.replace(found, merging_lag=Estimate(64.0, (32.0, np.inf)))
    figure = curve_spread(open_ended)
    writable(figure)
    assert "(32 to never)" in figure.conclusion
    assert trace(figure, "merging lag")[0]["error_x"]["array"] == [576.0]
    nothing = CurveSpread(np.array([1, 2]), np.full(2, np.nan), None, np.array([1, 2, 3]))
    empty = curve_spread(nothing)
    writable(empty)
    assert empty.traces == ()
    assert empty.conclusion == "No lag was measured at all waiting times."
