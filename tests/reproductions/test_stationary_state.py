"""The reproduction of the stationary state, at sizes of seconds; and that a wrong prediction is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from thermograd.dynamics.sgd import SGD
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.observables.landscape import landscape
from thermograd.problems.digits_linear import DigitsLinear
from thermograd.problems.quadratic import Quadratic
from thermograd.quantities import Estimate
from thermograd.reproductions.reproduction import Settings
from thermograd.reproductions.stationary_state import EXPERIMENTS
from thermograd.reproductions.stationary_state_classifier import Classifier
from thermograd.reproductions.stationary_state_classifier import stages as classifier_stages
from thermograd.reproductions.stationary_state_memory import covariance_left, position_left
from thermograd.reproductions.stationary_state_regression import Sizes, stages
from thermograd.reproductions.stationary_state_rows import agreement
from thermograd.reproductions.stationary_state_simulation import (
    Plan,
    circulation_along,
    circulation_of_all_updates,
    full_gradient_step,
    noise_along,
    simulate,
    spread_along,
)
from thermograd.theory.stationary_state import predict

TINY = Sizes(40, (4, 20), (3, 4), (3, 10))


@pytest.fixture(scope="module")
def parabola():
    """A long ensemble on three parabolas: landscape, predicted state and what was simulated."""
    problem = Quadratic(curvatures=(1.0, 0.5, 0.2), samples=30)
    land = landscape(problem, refine=True)
    state = predict(land, learning_rate=0.2, batch_size=3)
    return simulate(
        Plan(problem, WithReplacement(batch_size=3), SGD(0.2), 60, 50, 20, 1), land, state, np.eye(3)
    )


def test_ratios_are_1_on_parabolas(parabola):
    every = np.eye(3)
    recorded = circulation_along(parabola, parabola.displacements)
    smooth = circulation_along(parabola, full_gradient_step(parabola, 0.2))
    summed = circulation_of_all_updates(parabola)
    for ratio in (spread_along(parabola, every), noise_along(parabola, every), recorded, smooth, summed):
        assert ratio.low < 1 < ratio.high
    assert smooth.high - smooth.low < recorded.high - recorded.low
    assert summed.high - summed.low < recorded.high - recorded.low


def test_a_wrong_prediction_differs(parabola):
    """Negative control: the state of half the batch size, and a current that turns the other way."""
    wrong = predict(parabola.landscape, learning_rate=0.2, batch_size=2)
    ratio = spread_along(replace(parabola, state=wrong), np.eye(3))
    assert agreement(ratio, 1.0).holds is False
    backwards = replace(parabola.state, circulation=-parabola.state.circulation)
    ratio = circulation_along(replace(parabola, state=backwards), full_gradient_step(parabola, 0.2))
    assert agreement(ratio, 1.0, resolved=1.0).holds is False


def test_a_start_is_no_evidence():
    """Begun in the state of another batch size and stopped early: what is measured looks like the start, and is freed of it."""
    problem = Quadratic(curvatures=(1.0, 0.5, 0.2), samples=30)
    land = landscape(problem, refine=True)
    wrong = predict(land, learning_rate=0.02, batch_size=2)
    true = predict(land, learning_rate=0.02, batch_size=3)
    plan = Plan(problem, WithReplacement(batch_size=3), SGD(0.02), 400, 10, 4, 1)
    found = simulate(plan, land, wrong, np.eye(3))
    stiff = np.eye(3)[:, [int(np.argmax(np.diagonal(land.hessian)))]]
    looks = found.away.var(axis=(0, 1)) @ stiff[:, 0] ** 2 / (stiff[:, 0] @ wrong.covariance @ stiff[:, 0])
    ratio = float((true.covariance / wrong.covariance)[0, 0])
    freed = spread_along(found, stiff)
    assert looks > ratio + 0.15  # more than a third of the way to 1
    assert freed.low < ratio < freed.high
    assert agreement(freed, 1.0, resolved=1.0).holds is False
    flat = np.eye(3)[:, [int(np.argmin(np.diagonal(land.hessian)))]]
    assert agreement(spread_along(found, flat), 1.0).holds is None


def test_what_is_left_of_the_start_decays(parabola):
    state = parabola.state
    whole = covariance_left(state, np.zeros(1))
    np.testing.assert_allclose(whole, state.covariance, atol=1e-15)
    powers = [np.linalg.matrix_power(state.propagator, time) for time in (0, 3, 7)]
    naive = np.mean([power @ state.covariance @ power.T for power in powers], axis=0)
    np.testing.assert_allclose(covariance_left(state, np.array([0, 3, 7])), naive, atol=1e-15)
    along = np.array([0.6, 0.0, 0.8])
    expected = np.mean([along @ power @ along for power in powers])
    assert position_left(state, along, np.array([0, 3, 7])) == pytest.approx(expected)


def test_agreement_is_not_claimed_from_wide_intervals():
    assert agreement(Estimate(0.5, (-1.0, 2.0)), 1.0).holds is None
    assert agreement(Estimate(1.03, (1.02, 1.04)), 1.0).holds is True  # excluded, and no figure could show it


def test_regression_in_stages(monkeypatch, data_folder):
    if not (data_folder / "nonlinear_regression").is_dir():
        pytest.skip("no recorded regression")
    monkeypatch.setenv("THERMOGRAD_DATA", str(data_folder))
    told = []
    every = list(stages(Settings(say=told.append), TINY))
    assert [stage.complete for stage in every] == [False, False, True]
    assert len(told) == 3
    last = every[-1]
    assert set(every[0].columns()["quantity"]) < set(last.columns()["quantity"])
    assert {figure.name for figure in last.figures} >= {
        "plane_replaced",
        "plane_reshuffled",
        "plane_shaken",
        "integral_theorem",
        "detailed_theorem",
        "entropy_growth",
        "approximations_by_mode",
        "bridge",
        "elements_covariance",
        "elements_circulation",
        "variance_by_curvature",
    }
    centre = next(row for row in last.rows if row.quantity.startswith("centre"))
    assert centre.verdict.holds is True  # 189 standard deviations from the minimum of L, and it is there
    for figure in last.figures:
        assert figure.conclusion.endswith(".")
        assert "nan" not in figure.conclusion


def test_regression_without_a_data_folder(monkeypatch):
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    first = next(stages(Settings(), TINY))
    assert "drawn here" in dict(first.facts)["data"]


def test_classifier_in_stages():
    what = Classifier(
        "digits", "digits", DigitsLinear(train_samples=200), 20, (1e-2, 1e-3), 40, (4, 20), (3, 4)
    )
    *_, last = classifier_stages(what, Settings())
    assert last.complete
    noise = [row for row in last.rows if row.quantity.startswith("2D")]
    assert len(noise) == 4
    assert all(row.ours.low < 1 < row.ours.high for row in noise)


def test_experiments_are_listed():
    assert next(iter(EXPERIMENTS)) == "regression"
    assert set(EXPERIMENTS) == {"regression", "digits", "mnist"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("experiment", "agreeing"), [("regression", 27), ("digits", 15)])
def test_nothing_differs_at_the_default_size(experiment, agreeing, monkeypatch, data_folder):
    """A fixed seed: no false alarm is possible, and a broken formula makes rows differ."""
    monkeypatch.setenv("THERMOGRAD_DATA", str(data_folder))
    *_, last = EXPERIMENTS[experiment].run(Settings())
    assert last.contradicted == ()
    assert last.conclusion().evidence["agrees"] >= agreeing
