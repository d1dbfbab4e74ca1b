from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from thermograd.problems.problem import Problem
from thermograd.quantities import Estimate, Verdict
from thermograd.report.first_cuts import FirstCuts
from thermograd.report.schedules import ScheduledTraining
from thermograd.reproductions import fluctuation_dissipation_first_cut as first_cut_file
from thermograd.reproductions import fluctuation_dissipation_schedules as schedules_file
from thermograd.reproductions.fluctuation_dissipation_landscape import landscape_rows, responses
from thermograd.reproductions.fluctuation_dissipation_ratio import (
    Plan,
    figures,
    ratio_rows,
    relaxation_row,
    settling_step,
)
from thermograd.reproductions.fluctuation_dissipation_training import (
    INDEPENDENT,
    RESHUFFLED,
    Recorded,
    Training,
)

RATES = (0.4, 0.2, 0.1)
STEPS = 1600


def softmax(samples=40):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    return Problem(
        model=lambda: nn.Linear(4, 10),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(x, torch.randint(10, (samples,), generator=generator)),
        regulariser=0.01,
    )


def plan(**more):
    return Plan(Training(softmax(), 10), "a regression", "as it is", RATES, (400,) * 3, **{"seeds": 4} | more)


def recorded(rate, seed, *, ratio=1.0, relaxation=None, gradient=1.0, steps=STEPS):
    """Independent exponential sides with the given ratio of means.

    With `relaxation` O_L / O_R is instead 2 for 20 η^relaxation steps, and then 1.
    """
    draw = np.random.default_rng([seed, int(1000 * rate), int(100 * gradient)])
    sides = draw.exponential(size=(2, steps))
    if relaxation is not None:
        late = 20 * rate**relaxation * draw.lognormal(0, 0.05)
        sides = np.stack([np.where(np.arange(steps) < late, 2.0, 1.0), np.ones(steps)])
    squares = gradient * rate * draw.lognormal(0, 0.02) * np.ones(40)
    return Recorded(
        rate, sides[0], ratio * sides[0], sides[1], squares, 4,
        Estimate(ratio, (ratio - 0.01, ratio + 0.01), level=0.9),
        Verdict(True, "equilibrated", "It has."), [{"step": steps * (4 - 10 * rate), "ratio": ratio}],
        tuple(value.detach() for value in nn.Linear(4, 10).double().parameters()),
    )  # fmt: skip


def runs(**more):
    found = [[recorded(rate, seed, **more) for rate in RATES] for seed in range(4)]
    for run in found:
        for place, entry in enumerate(run):
            entry.history[0]["step"] = (place + 1) * STEPS
    return found


def answers(rows):
    return [row.verdict.holds for row in rows]


def test_a_ratio_of_1_agrees_and_one_of_0_8_differs_after_long_training_only():
    """Trained for 1600 η λ = 12.8, 6.4, 3.2 relaxation times of the weight decay 0.02; 14 are asked of a contradiction."""
    assert answers(ratio_rows(plan(), runs())) == [True] * 6
    assert answers(ratio_rows(plan(), runs(ratio=0.8))) == [None] * 6
    long = list(ratio_rows(plan(), runs(ratio=0.8, steps=16_000)))
    assert answers(long) == [False] * 6
    assert "more than 10 % from 1, trained for 1.3e+02" in long[0].verdict.text


def test_the_interval_of_the_ratio_holds_the_truth():
    (first, *_) = ratio_rows(plan(), runs(ratio=0.9))
    assert first.ours.low < 0.9 < first.ours.high
    assert first.ours.high - first.ours.low < 0.2
    assert "a regression, 400 epochs at each rate, 4 seeds" in first.quantity
    assert all("4 seeds" in row.quantity for row in ratio_rows(plan(), runs()))


def test_the_exponent_of_the_settling_time_is_found():
    (row,) = relaxation_row(plan(), runs(relaxation=-1.0))
    assert row.ours.low < -1 < row.ours.high
    assert row.verdict.holds is True
    (wrong,) = relaxation_row(plan(), runs(relaxation=1.0))
    assert wrong.verdict.holds is False
    (never,) = relaxation_row(plan(), runs(ratio=0.5))
    assert never.verdict.holds is None
    assert never.ours == "no exponent"
    assert "12 of 12 had not settled" in never.verdict.text
    assert list(relaxation_row(plan(seeds=1), runs()[:1])) == []


def test_settling_is_when_half_running_averages_agree_for_good():
    """O_L is 2 up to step 20, then 1; the last half of t steps has no more than 10 % of 2s from t = 36 on."""
    assert settling_step(recorded(1.0, 0, relaxation=0.0)) == pytest.approx(36, abs=8)
    assert settling_step(recorded(1.0, 0, ratio=0.5)) == math.inf


def test_a_line_through_the_origin_is_one_up_to_the_last_rate():
    both = {INDEPENDENT: runs(gradient=2.0), RESHUFFLED: runs(gradient=0.5)}
    found = responses(plan(), both)
    end, _, small, large = landscape_rows(plan(), both, found, None)
    assert end.ours.value == pytest.approx(0.4)
    assert end.ours.high == math.inf
    assert end.verdict.holds is True
    for row in (small, large):
        assert row.ours.low < 0.25 < row.ours.high
        assert row.verdict.holds is None
    (far, *_) = landscape_rows(plan(), both, found, 0.01)
    assert far.verdict.holds in {False, None}
    assert "biased" in found["reshuffled epochs"].verdict.kind


def test_a_training_that_still_moves_says_nothing_about_the_landscape():
    both = {INDEPENDENT: runs(ratio=0.5)}
    (end,) = landscape_rows(plan(), both, responses(plan(), both), 0.01)
    assert end.verdict.kind == "not_stationary"
    assert "at η = 0.4, 0.2, 0.1" in end.verdict.text
    assert end.ours == "not measured"


def test_figures_come_from_the_first_seed():
    drawn = figures(runs())
    assert [figure.name for figure in drawn] == ["both_sides", "several_rates", "equilibration"]
    assert [figure.name for figure in figures([runs()[0][:1]])] == ["both_sides", "equilibration"]


def scheduled(loss, accuracy, seed=0, last_rate=0.01):
    noise = 0.001 * np.random.default_rng(seed).normal(size=(3, 1))
    curve = np.ones((3, 40))
    rate = np.repeat([[0.1, last_rate]] * 3, 20, axis=1)
    return ScheduledTraining(rate, loss * (1 + noise) * curve, curve, (accuracy + noise) * curve)


@pytest.mark.parametrize(
    ("loss", "accuracy", "expected"),
    [(0.4, 0.95, [True] * 4), (0.5, 0.80, [False] * 4), (0.41, 0.90, [True, False, True, None])],
)
def test_schedules_are_compared_with_the_preset_one_and_with_amsgrad(loss, accuracy, expected):
    names = {name: scheduled(loss, accuracy, seed) for seed, name in enumerate(schedules_file._RULES)}
    found = {
        schedules_file.PRESET: scheduled(0.4, 0.95, 8),
        **names,
        schedules_file.AMSGRAD: scheduled(0.45, 0.9, 9),
    }
    trial = schedules_file.Trial(Training(softmax(), 10), "a regression", "as it is", 0.1, 40, 3)
    rows = list(schedules_file.rows(trial, found))
    assert [row.verdict.holds for row in rows[:4]][: len(expected)] == expected
    assert [row.verdict.holds for row in rows[8:]] == [None] * 8  # rules that are not the paper's
    assert all("40 epochs, 3 seeds" in row.quantity for row in rows)


def test_a_rule_that_never_cut_says_nothing_about_schedules():
    found = dict.fromkeys((schedules_file.PRESET, *schedules_file._RULES, schedules_file.AMSGRAD))
    found = {name: scheduled(0.4, 0.9, place, last_rate=0.1) for place, name in enumerate(found)}
    trial = schedules_file.Trial(Training(softmax(), 10), "a regression", "as it is", 0.1, 40, 3)
    assert {row.verdict.kind for row in schedules_file.rows(trial, found)} == {"never_cut"}


def test_every_schedule_trains_and_the_preset_one_cuts_at_the_quarters():
    trial = schedules_file.Trial(Training(softmax(), 10), "a regression", "as it is", 0.1, 8, 1)
    for name in (schedules_file.PRESET, *schedules_file._RULES, schedules_file.AMSGRAD):
        columns, history = schedules_file._train(trial, name, 0)
        assert columns.train_loss[-1] < columns.train_loss[0]
        assert (history is None) == (name in {schedules_file.PRESET, schedules_file.AMSGRAD})
        if name == schedules_file.PRESET:
            expected = np.repeat([0.1, 0.01, 0.001, 0.0001], 2)
            assert columns.learning_rate == pytest.approx(expected)


def test_the_ensemble_steps_as_torch_does():
    """One batch of all samples has no noise: an epoch is one gradient step, whatever the order."""
    training = Training(softmax(), 40)
    first, second, *_ = first_cut_file._epoch_ends(training, 0.1, 2, 3, seed=0)
    weights = first[1].reshape(5, 10)
    layer = nn.Linear(4, 10).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[:4].T))
        layer.bias.copy_(torch.from_numpy(weights[4]))
    optimizer = training.sgd(layer, 0.1)
    training.loss(layer, *training.data("train")).backward()
    optimizer.step()
    assert second[1].reshape(5, 10)[:4].T == pytest.approx(layer.weight.detach().numpy(), abs=1e-12)
    assert second[1].reshape(5, 10)[4] == pytest.approx(layer.bias.detach().numpy(), abs=1e-12)


def test_a_smaller_rate_equilibrates_later():
    training = Training(softmax(), 10)
    fast, slow = (first_cut_file.equilibration_step(training, rate, 4000, 12, 0) for rate in (0.4, 0.1))
    assert fast < slow < 4000


def test_rules_that_never_cut_are_words():
    steps = {"all": (120.0, 130.0), "one": (120.0, math.inf), "none": (math.inf,) * 3}
    every, one, none = first_cut_file.rows(FirstCuts(100.0, steps, 400), "a regression")
    assert every.ours.value == pytest.approx(1.25)
    assert every.ours.low < 1.25 < every.ours.high
    assert one.ours.startswith("1.20 to at least 4: ")
    assert one.verdict.text == "never cut in 1 of 2 seeds"
    assert none.ours.startswith("at least 4: ")


def test_equal_times_at_all_rates_are_no_exponent_below_zero():
    """The slope of equal times is 0 up to rounding, and two seeds that agree have an interval without width."""
    ones = np.ones(STEPS)
    found = [
        [replace(recorded(rate, seed), dissipation=ones, fluctuation=ones) for rate in RATES]
        for seed in range(2)
    ]
    (row,) = relaxation_row(plan(seeds=2), found)
    assert row.verdict.holds is None
    assert (row.ours.value, row.ours.interval) == (0.0, (0.0, 0.0))
