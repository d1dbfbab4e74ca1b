"""What tg.landscape refuses, and what it says of what it left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.observables.landscape import (
    landscape,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"criterion": None}, "criterion="),
        ({"data": (torch.zeros(3, 3), torch.zeros(4))}, "3, 4 samples"),
        ({"directions": 40}, "from 1 to 31"),
        ({"directions": 2, "sample_hessians": True}, "do not go together"),
        ({"sample_hessians": "all"}, "'array'"),
        ({"parameters": torch.zeros(5)}, "31 numbers"),
        ({"chunk": 0}, "chunk is 0"),
        ({"loss": 3}, "give a function"),
        ({"loss": lambda p, b: p.sum()}, "parameters="),
        ({"loss": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))}, "model.eval"),
        ({"data": None}, "data is a NoneType"),
        ({"data": DataLoader(TensorDataset(torch.zeros(4, 3), torch.zeros(4)))}, "default_collate"),
        ({"criterion": lambda out, y, reduction: cross_entropy(out, y)}, "one number per sample"),
        ({"criterion": nn.CrossEntropyLoss(reduction="sum")}, "reduction 'sum'"),
        (
            {"loss": nn.Linear(3, 1), "data": (torch.ones(4, 3), torch.arange(4.0)), "criterion": mse_loss},
            "same shape",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")  # torch's own, beside our refusal
def test_what_is_refused(classified, change, message, small_network):
    arguments = {"loss": small_network(), "data": classified, "criterion": cross_entropy} | change
    if callable(arguments["loss"]) and not isinstance(arguments["loss"], nn.Module):
        arguments["criterion"] = None
    with pytest.raises(ConfigError, match=message):
        landscape(arguments.pop("loss"), arguments.pop("data"), **arguments)


def test_a_gradient_that_is_not_finite_names_its_sample(classified, small_network):
    inputs = classified[0].clone()
    inputs[7] = torch.nan
    for refine in (False, True):
        with pytest.raises(ConfigError, match="sample 7"):
            landscape(
                small_network(), (inputs, classified[1]), criterion=cross_entropy, chunk=3, refine=refine
            )


def test_a_gradient_can_be_infinite_where_the_loss_is_not():
    def root(point, batch):
        return (point[0] + batch).abs().sqrt()

    with pytest.raises(ConfigError, match="gradient of sample 2"):
        landscape(root, torch.tensor([1.0, 2.0, 0.0]), torch.zeros(1))


def test_weights_of_classes_go_with_the_model(classified, small_network):
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))
    land = landscape(small_network(), classified, criterion=weighted)
    each = nn.CrossEntropyLoss(weight=weighted.weight, reduction="none")
    assert land.loss == pytest.approx(
        each(small_network()(classified[0]), classified[1]).mean().item(), rel=1e-5
    )


def test_directions_know_that_the_rest_is_no_minimum(classified, small_network):
    """At the initial weights, where the whole Hessian has negative curvatures; and not at the minimum."""
    some = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05, directions=3)
    whole = landscape(small_network(), classified, criterion=cross_entropy, weight_decay=0.05)
    assert np.linalg.eigvalsh(whole.hessian)[0] < -0.01
    assert "no minimum yet" in tg.stationary_state(some, learning_rate=0.1, batch_size=3).note
    there = landscape(
        small_network(), classified, criterion=cross_entropy, weight_decay=0.05, directions=3, refine=True
    )
    assert there.note == ""


def test_what_is_left_out_is_said(classified):
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    land = landscape(model, classified, criterion=cross_entropy, weight_decay=0.1, refine=True)
    assert "dropout switched off" in repr(land)
    assert "12 samples, 12 parameters" in repr(land)
    state = tg.stationary_state(land, learning_rate=0.1, batch_size=3)
    assert "note: dropout switched off" in str(state)
    assert "dropout switched off" in state.prediction("covariance").rests_on
    some = landscape(model, classified, criterion=cross_entropy, weight_decay=0.1, directions=2)
    assert "of these 2 directions" in str(tg.stationary_state(some, learning_rate=0.1, batch_size=3))
