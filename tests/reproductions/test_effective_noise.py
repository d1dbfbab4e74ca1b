"""The reproduction of the effective noise at sizes of seconds; and that what contradicts the abstract is told."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from thermograd.estimators.effective_temperature import estimate
from thermograd.quantities import Estimate
from thermograd.reproductions import effective_noise_mixture
from thermograd.reproductions.effective_noise import EXPERIMENTS
from thermograd.reproductions.effective_noise_mixture import stationary_comparisons
from thermograd.reproductions.effective_noise_rows import (
    Comparison,
    agreement_row,
    hotter_row,
    interpolation_row,
    lag_row,
    monotone_row,
    order_row,
    stationary_row,
    wider_row,
)
from thermograd.reproductions.effective_noise_settings import (
    SETTINGS,
    WIDTHS,
    Setting,
    Sizes,
    under_parametrised,
)
from thermograd.reproductions.effective_noise_simulation import (
    curves_of,
    interpolated,
    margins_of,
    mean_over_draws,
    simulated,
)
from thermograd.reproductions.effective_noise_theory import theory_of
from thermograd.reproductions.reproduction import Settings

TINY = Sizes(
    dimension=40,
    data_seeds=2,
    windows=2,
    replicas=2,
    paths=400,
    response_paths=50,
    seeds=4,
    width_seeds=3,
    width_steps=70,
)
SMALL = Sizes(dimension=100, data_seeds=6, paths=2000, response_paths=100)


def about(value, half=0.1):
    return Estimate(value, (value - half, value + half))


def langevin(temperature, rows=6, drifting=0.0):
    """One mode, η = 0.1, k = 2; an earlier age moved by (1 + drifting) times as much."""
    a, lags = 0.8, np.arange(1, 22)
    scatter = 1 + 0.01 * np.linspace(-1, 1, rows)[:, None]
    moved = scatter * temperature * (1 - a**lags) / (2 * 0.9)
    response = np.tile((1 - a ** lags[:-1]) / 2, (rows, 1))
    return estimate(moved, response, earlier=(1 + drifting) * moved)


def test_every_stage_has_its_rows_and_figures(monkeypatch):
    monkeypatch.setattr(effective_noise_mixture, "WIDTHS", WIDTHS[:2])
    said = []
    pages = list(effective_noise_mixture.stages(Settings(say=said.append), TINY))
    assert [page.complete for page in pages] == [False, False, True]
    assert [len(page.rows) for page in pages] == [8, 13, 16]
    assert [len(page.figures) for page in pages] == [6, 6, 7]
    last = pages[-1]
    names = [figure.name for figure in last.figures]
    assert len(names) == len(set(names))
    assert all(figure.points for figure in last.figures)
    assert "Only the abstract was available" in dict(last.facts)["what is checked"]
    json.dumps(last.content(), allow_nan=False)
    for figure in last.figures:
        json.dumps([figure.traces, figure.layout], allow_nan=False)
    assert len(said) == 1 + len(SETTINGS) + 1 + 2
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS) == 8


def test_the_reproduction_is_found_and_knows_its_full_size():
    assert EXPERIMENTS["mixture"].options == {"full"}
    assert effective_noise_mixture.FULL.dimension > Sizes().dimension


@pytest.fixture(scope="module")
def persistent():
    """Theory and simulation in 100 dimensions of one setting."""
    setting = Setting(persistence=10.0)
    return setting, theory_of([setting], SMALL, 0)[setting], simulated(setting, SMALL, 0)


def test_theory_and_simulation_of_one_setting_agree(persistent):
    """Temperature and curves; fixed seeds, about 4 standard errors in all."""
    setting, theory, simulation = persistent
    row = agreement_row("all", stationary_comparisons({setting: simulation}, {setting: theory}))
    assert row.verdict.holds is True
    fit = simulation.temperature.fit
    assert theory.temperature.fit.low < fit.high
    assert fit.low < theory.temperature.fit.high
    assert fit.value == pytest.approx(0.0524, rel=0.1)  # in infinite dimension


def test_another_theory_does_not_agree(persistent):
    """Negative control: independent batches beside persistent ones."""
    setting, _, simulation = persistent
    plain = dataclasses.replace(theory_of([Setting()], SMALL, 0)[Setting()], setting=setting)
    row = agreement_row("all", stationary_comparisons({setting: simulation}, {setting: plain}))
    assert row.verdict.holds is False
    assert "persistent 10 steps" in row.verdict.text


def test_curves_are_those_of_the_weights():
    """By hand, for two replicas at two times."""
    problem = under_parametrised(20)
    weights = np.random.default_rng(0).normal(size=(2, 2, 20))
    inputs, labels, direction = problem.draw(0)
    found = curves_of(problem, weights)
    for time in range(2):
        losses, errors = [], []
        for replica in range(2):
            w = weights[replica, time]
            margin = labels * (inputs @ w) / math.sqrt(20)
            losses.append(np.log1p(np.exp(-margin)).mean())
            scale = math.sqrt(0.5 * (w @ w) / 20)
            errors.append(0.5 * math.erfc(w @ direction / 20 / scale / math.sqrt(2)))
        assert found["train_loss"][time] == pytest.approx(np.mean(losses))
        assert found["generalization_error"][time] == pytest.approx(np.mean(errors))
        apart = weights[0, time] - weights[1, time]
        assert found["replica_distance"][time] == pytest.approx(np.mean(apart**2))
    assert margins_of(problem, weights).shape == (2, 2, 80)


def test_boundaries_of_gradient_descent_and_noise_and_the_random_state():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    sizes = dataclasses.replace(TINY, dimension=60, width_steps=300)
    still, hot = (interpolated(setting, sizes, 0) for setting in (None, Setting(batch_fraction=0.1)))
    assert (still.distance == 0).all()
    assert (hot.distance > 1e-3).all()
    assert (hot.error == 0).all()
    simulated(Setting(0.2), TINY, 0)
    assert torch.equal(torch.rand(2), expected)


def test_a_state_that_moves_or_fits_all_samples_is_not_the_one_of_the_abstract():
    good = {"a": langevin(0.1), "b": langevin(0.2)}
    assert stationary_row(good, {"a": 0.1, "b": 0.2}).verdict.holds is True
    assert "(b)" in stationary_row(good, {"a": 0.1, "b": 0.2}).ours
    assert stationary_row(good, {"a": 0.0, "b": 0.2}).verdict.holds is False
    moving = {"a": langevin(0.1), "b": langevin(0.2, drifting=1.0)}
    row = stationary_row(moving, {"a": 0.1, "b": 0.2})
    assert row.verdict.holds is False
    assert "not: b" in row.verdict.text
    few = {"a": langevin(0.1, rows=3)}
    assert stationary_row(few, {"a": 0.1}).verdict.holds is None


def test_a_training_error_that_stays_is_told():
    moving = {"a": langevin(0.1, drifting=1.0)}
    assert interpolation_row(moving, {"a": 0.0}).verdict.holds is True
    row = interpolation_row(moving, {"a": 0.05, "b": 0.0})
    assert row.verdict.holds is False
    assert "1 of 1 settings" in row.verdict.text
    assert lag_row({"a": langevin(0.1)}).verdict.holds is None
    assert lag_row(moving).ours == "none"


@pytest.mark.parametrize(
    ("values", "rising", "holds"),
    [
        ((1, 2, 3), True, True),
        ((1, 2, 3), False, False),
        ((3, 2, 1), False, True),
        ((1, 1.1, 3), True, None),
        ((1, 2, None), True, None),
        ((1, 3, 2), True, False),
        ((1,), True, None),
    ],
)
def test_growth_needs_every_step(values, rising, holds):
    found = {str(place): None if one is None else about(one) for place, one in enumerate(values)}
    assert monotone_row("T", "grows", found, rising=rising).verdict.holds is holds


def test_hotter_is_hotter_in_every_setting():
    def judged(hot, cold):
        found = {str(place): one and about(one) for place, one in enumerate(hot)}
        return hotter_row("T", "hotter", found, cold and about(cold)).verdict.holds

    assert judged((2, 3), 1) is True
    assert judged((2, 0.5), 1) is False
    assert judged((2, 1.1), 1) is None
    assert judged((2, None), 1) is None
    assert judged((None,), 1) is judged((2,), None) is None


def test_orders_are_compared_where_both_decide():
    heat = {"a": about(1), "b": about(2), "c": about(2.1), "d": None}
    same = {"a": about(5), "b": about(7), "c": about(6), "d": about(1)}
    row = order_row("order", "similar", heat, same)
    assert row.verdict.holds is True
    assert row.ours == "2 of 2 pairs in the same order"
    opposite = order_row("order", "similar", heat, {**same, "a": about(9)})
    assert opposite.verdict.holds is False
    assert "a and b" in opposite.verdict.text
    assert order_row("order", "similar", {"b": heat["b"], "c": heat["c"]}, same).verdict.holds is None


def test_a_boundary_that_gets_narrower_with_noise_is_told():
    draws = np.linspace(-0.1, 0.1, 8)
    distances = {"still": 0 * draws, "mild": 1 + 0.1 * draws, "hot": 2 - 0.1 * draws}
    widths = {"still": 1 + 5 * draws, "mild": 1.1 + 5.01 * draws, "hot": 1.3 + 4.99 * draws}
    row = wider_row("width", "wider", widths, distances)
    assert row.verdict.holds is True  # differences on the same data, though each width scatters
    assert row.ours == "3 of 3 pairs"
    narrow = wider_row("width", "wider", {**widths, "hot": 0.9 + 5 * draws}, distances)
    assert narrow.verdict.holds is False
    assert "hot" in narrow.verdict.text
    same = wider_row(
        "width", "wider", {"a": widths["still"], "b": widths["still"] - draws}, {"a": draws, "b": -draws}
    )
    assert same.verdict.holds is None


def test_chance_differences_agree_and_others_do_not():
    """Of 60 equal quantities the largest difference is one of chance; one that is off is found among them."""
    generator = np.random.default_rng(0)
    equal = [
        Comparison(f"quantity {place}", generator.normal(3, 0.1, 4), generator.normal(3, 0.3, 10))
        for place in range(60)
    ]
    assert agreement_row("all", equal).verdict.holds is True
    off = Comparison("off", generator.normal(3, 0.1, 4), generator.normal(4.5, 0.3, 10))
    row = agreement_row("all", [*equal, off])
    assert row.verdict.holds is False
    assert row.verdict.text.startswith("off: simulation +")
    missing = Comparison("missing", np.array([np.nan, 1.0]), np.ones(3))
    assert "1 could not be compared" in agreement_row("all", [*equal, missing]).verdict.text
    assert agreement_row("all", [missing]).verdict.holds is None


def test_mean_of_curves_over_draws():
    found = mean_over_draws(np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 4.0]]))
    assert found.value.tolist() == [2.0, 4.0]
    assert found.low[0] == pytest.approx(2 - 4.303 / math.sqrt(3), abs=1e-3)
    assert found.high[1] == pytest.approx(4)
