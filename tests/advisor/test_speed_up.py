"""A speed-up is never said without its censoring."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.advisor.perturbation_interval import SpeedUp, speed_up
from thermograd.estimators.first_passage import FirstPassageTimes, restricted_mean, survival_function
from thermograd.quantities import Estimate, Prediction
from thermograd.theory.first_passage import restart_mean

CENSORED = FirstPassageTimes([10, 20, 60, 80, 100], [True, True, True, True, False], 100)


def test_values_and_text():
    result = speed_up(CENSORED, Prediction(9.0))
    assert result.at_least.value == pytest.approx(54 / 9)
    # Half of the record: two arrivals in an exposure of 10 + 30 + 50.
    assert result.extrapolated.value == pytest.approx((54 + 0.2 * 45) / 9)
    assert result.censored_fraction == pytest.approx(0.2)
    text = str(result)
    assert text.startswith("≥ 6 (")
    assert "from the 100 epochs seen; 7 (" in text
    assert text.endswith("if the tail is exponential; 20 % of unperturbed runs never arrived")


def test_there_is_no_single_number():
    with pytest.raises(TypeError):
        float(speed_up(CENSORED, Prediction(9.0)))
    assert not hasattr(SpeedUp, "__float__")


def test_nothing_is_open_if_every_run_arrived():
    text = str(speed_up(FirstPassageTimes([10, 20], [True, True], 50), Prediction(5.0)))
    assert text.startswith("3 (")
    assert text.endswith("from the 50 epochs seen; every run arrived")


def test_an_endless_tail_keeps_a_finite_lower_end():
    never = FirstPassageTimes([50] * 30, [False] * 30, 50)
    result = speed_up(never, Estimate(5.0, (4.0, 6.0), samples=np.linspace(4, 6, 2000)))
    assert result.extrapolated.value == np.inf
    assert result.extrapolated.high == np.inf
    assert result.extrapolated.low == pytest.approx((50 + 30 * 25 / np.log(20)) / 6)
    assert "; no upper limit: at least 50.1 if the tail is exponential; 100 % of unperturbed runs" in str(
        result
    )


def test_nothing_is_gained_by_what_never_arrives():
    assert speed_up(CENSORED, Prediction(np.inf)).at_least.value == pytest.approx(0.0)


def test_what_both_have_in_common_cancels():
    """Restarting at the horizon with nobody left is doing nothing: the ratio is 1 in every resample."""
    times = np.random.default_rng(0).geometric(0.2, 50)
    passages = FirstPassageTimes(times, np.ones(50, bool), int(times.max()))
    curve = restart_mean(survival_function(passages, seed=3), [int(times.max())])
    paired = speed_up(passages, curve, seed=3)
    assert paired.at_least.samples == pytest.approx(np.ones((2000, 1)), abs=1e-9)
    apart = speed_up(passages, curve, seed=4)
    assert apart.at_least.samples.std() > 0.05


def test_a_curve_gives_a_curve():
    survival = survival_function(CENSORED)
    result = speed_up(CENSORED, restart_mean(survival, [20, 50, 90]))
    means = restart_mean(survival, [20, 50, 90]).value
    assert result.at_least.value == pytest.approx(restricted_mean(CENSORED).value / means)
    assert (result.at_least.low <= result.at_least.value).all()
    assert "20 % of unperturbed runs never arrived" in str(result)
