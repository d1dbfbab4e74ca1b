from __future__ import annotations

import pytest
import torch
from torch import nn

from thermograd.errors import ConfigError
from thermograd.problems.problem import Problem
from thermograd.reproductions import fluctuation_dissipation_live
from thermograd.reproductions.fluctuation_dissipation_changes import SETTABLE, changed
from thermograd.reproductions.fluctuation_dissipation_ratio import Plan
from thermograd.reproductions.fluctuation_dissipation_training import Training
from thermograd.reproductions.reproduction import Settings


@pytest.fixture
def plan():
    problem = Problem(
        model=lambda: nn.Linear(2, 2),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=(torch.zeros(40, 2), torch.zeros(40, dtype=torch.long)),
        regulariser=0.01,
    )
    return Plan(Training(problem, 10), "a line", "as it is", (0.4, 0.2), (32, 64), seeds=3)


def test_what_is_not_named_stays(plan):
    assert vars(changed(plan, {})) == vars(plan)


def test_every_setting_is_used_and_said(plan):
    words = {
        "learning_rates": "0.3,0.2,0.1",
        "epochs": "12",
        "seeds": "2",
        "batch_size": "20",
        "momentum": "0.9",
        "weight_decay": "0.05",
    }
    assert words.keys() == SETTABLE
    found = changed(plan, words)
    assert (found.rates, found.epochs, found.seeds) == ((0.3, 0.2, 0.1), (12, 12, 12), 2)
    assert (found.training.batch_size, found.training.momentum) == (20, 0.9)
    optimizer = found.training.sgd(found.training.model(0), 0.1)
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.05)
    assert (
        found.size
        == "a line, batch size 20, momentum 0.9, weight decay 0.05, 12 epochs at each rate, 2 seeds"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("batch_size", "41", "'41' is not a whole number, at least 1, at most 40"),
        ("batch_size", "0.5", "'0.5' is not a whole number"),
        ("learning_rates", "0.1,-1", "'-1' is not a number, above 0"),
        ("learning_rates", "0.1;0.2", "'0.1;0.2' is not a number"),
        ("momentum", "1", "'1' is not a number, at least 0, below 1"),
        ("weight_decay", "nan", "'nan' is not a number, above 0"),
        ("epochs", "3", "at least 4"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(plan, name, value, said):
    with pytest.raises(ConfigError, match=f"--set {name}: .*{said}"):
        changed(plan, {name: value})


def test_a_line_through_two_rates_is_refused_before_anything_is_trained():
    said = []
    stages = fluctuation_dissipation_live.digits(
        Settings(changes={"learning_rates": "0.4,0.2"}, say=said.append)
    )
    with pytest.raises(ConfigError, match="3 different ones or more, got 2"):
        next(stages)
    assert said == []
