"""Verdicts on detailed balance: never yes for lack of evidence."""

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators.stationary_state import circulation, detailed_balance
from thermograd.quantities import Estimate


def measured(largest, error=1.0, pieces=100, note=""):
    values = np.zeros((3, 3))
    values[0, 2], values[2, 0] = largest, -largest
    half = error * stats.t.ppf(0.975, pieces - 1)
    return Estimate(values, (values - half, values + half), pieces=pieces, note=note)


def test_a_circulating_process(turning):
    verdict = detailed_balance(circulation(turning.simulate(40, 2000)))
    assert (verdict.holds, verdict.kind) == (False, "circulates")
    assert verdict.evidence["plane"] == (0, 1)
    assert "circulate in plane (0, 1)" in verdict.text


def test_an_equilibrium_process_needs_a_scale_for_yes(resting):
    found = circulation(resting.simulate(40, 2000))
    assert (detailed_balance(found).holds, detailed_balance(found).kind) == (None, "undecided")
    size = np.linalg.norm(resting.relaxation) * np.linalg.norm(resting.covariance)
    assert (detailed_balance(found, scale=size).holds, detailed_balance(found, scale=size).kind) == (
        True,
        "detailed_balance",
    )


def test_too_little_data_is_no_evidence_of_equilibrium(turning):
    """Negative control: a short record of a circulating process."""
    verdict = detailed_balance(circulation(turning.simulate(25, 3)))
    assert verdict.holds is None
    size = np.linalg.norm(turning.relaxation) * np.linalg.norm(turning.covariance)
    assert detailed_balance(circulation(turning.simulate(25, 3)), scale=size).holds is None
    few = detailed_balance(circulation(turning.simulate(1, 30)), scale=1e9)
    assert (few.holds, few.kind) == (None, "few_pieces")


def test_the_bound_is_that_of_all_planes_together():
    """Of 3 planes at 95 %: Student's quantile at 1 − 0.05/6."""
    bound = stats.t.ppf(1 - 0.05 / 6, 99)
    assert detailed_balance(measured(0.999 * bound)).holds is None
    verdict = detailed_balance(measured(1.001 * bound))
    assert verdict.holds is False
    assert verdict.evidence["bound"] == pytest.approx(bound)
    assert verdict.evidence["largest_z"] == pytest.approx(1.001 * bound)


def test_all_intervals_must_lie_within_5_percent_of_the_scale():
    end = 1.0 + stats.t.ppf(0.975, 99)
    assert detailed_balance(measured(1.0), scale=end / 0.0499).holds is True
    assert detailed_balance(measured(1.0), scale=end / 0.0501).holds is None


def test_coarse_numbers_decide_nothing(turning):
    record = 1.0 + 1e-6 * turning.simulate(40, 200)
    verdict = detailed_balance(circulation(record.astype(np.float32)))
    assert (verdict.holds, verdict.kind) == (None, "rounding_dominates")


def test_parameters_that_never_move_are_no_evidence():
    points = np.random.default_rng(0).normal(size=(30, 50, 3))
    points[..., 2] = 1.0
    assert detailed_balance(circulation(points)).evidence["plane"] == (0, 1)


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="at least 2 parameters"):
        detailed_balance(Estimate(1.0, (0.0, 2.0), pieces=100))
    with pytest.raises(ConfigError, match="scale is 0"):
        detailed_balance(measured(1.0), scale=0.0)
