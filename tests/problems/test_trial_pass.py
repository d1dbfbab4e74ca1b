"""What torch refuses is told in terms of the data, before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from thermograd.errors import ConfigError
from thermograd.problems.functional import FunctionalProblem

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
LATE = torch.arange(40) == 33
SQUARE = nn.MSELoss(reduction="none")


def problem(**changes):
    parts = {"model": lambda: nn.Linear(3, 2), "loss": nn.CrossEntropyLoss(reduction="none"), "train": (X, Y)}
    return tg.Problem(**(parts | changes))


WRONG = {
    "columns": (
        {"train": (X[:, :2], Y)},
        r"train inputs, of shape \(samples, 2\) .*takes 3 columns and the inputs",
    ),
    "one axis": ({"train": (X[:, 0], Y)}, r"takes samples of 3 columns: give inputs\[:, None\]"),
    "whole inputs": ({"train": (X.long(), Y)}, r"int64: .* Only embeddings take whole .*inputs\.float\(\)"),
    "float labels": ({"train": (X, Y.double())}, r"targets, of shape \(samples,\) .*: targets\.long\(\)"),
    "bool labels": ({"train": (X, Y.bool())}, r"If they are class labels, give targets\.long\(\)"),
    "a late label": (
        {"train": (X, torch.where(LATE, 7, Y))},
        "Labels go from . to 7 .* 2 classes: labels must be 0 to 1",
    ),
    "a negative label": (
        {"train": (X, torch.where(LATE, -1, Y))},
        "Labels go from -1 to .*labels must be 0 to 1",
    ),
    "test columns": ({"test": (X[:, :2], Y)}, "the model cannot take the test inputs"),
    "test labels": (
        {"test": (X, Y + 1)},
        "with the test targets.*labels must be 0 to 1, or the last layer needs 3",
    ),
    "broadcast": (
        {
            "model": lambda: nn.Linear(3, 1),
            "loss": lambda o, t: (o - t).square().sum(1),
            "train": (X, X[:, 0]),
        },
        r"changes with the other samples of its batch: .*outputs \(2, 1\) and targets \(2,\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_refused_with_what_to_do(name):
    changes, match = WRONG[name]
    with pytest.raises(ConfigError, match=match):
        FunctionalProblem(problem(**changes), "float64", "cpu")


@pytest.mark.parametrize("ask", ["run", "sample", "landscape"])
def test_every_door_says_it(ask):
    wrong = problem(train=(X, Y + 1))
    ways = {
        "run": lambda: tg.run(tg.Experiment(wrong, trajectories=1, epochs=1)),
        "sample": lambda: tg.sample_posterior(wrong, prior_precision=1.0, batch_size=5, epochs=2, burn_in=0),
        "landscape": lambda: tg.landscape(nn.Linear(3, 2), (X, Y + 1), criterion=cross_entropy),
    }
    with pytest.raises(ConfigError, match="labels must be 0 to 1"):
        ways[ask]()


def test_predictions_of_other_inputs_are_refused():
    draws = tg.PosteriorDraws({"weight": np.ones((1, 1, 2, 3)), "bias": np.ones((1, 1, 2))})
    with pytest.raises(ConfigError, match=r"given inputs.*takes 3 columns and the inputs have 2"):
        tg.posterior_predictive(draws, nn.Linear(3, 2), X[:, :2])
    with pytest.raises(ValueError, match="inputs hold NaN"):
        tg.posterior_predictive(draws, nn.Linear(3, 2), X * torch.nan)


@pytest.mark.parametrize("targets", [["a"] * 40, np.array([None] * 40), [[1], [1, 2]] * 20])
def test_what_is_no_number_is_refused(targets):
    with pytest.raises(ValueError, match=r"train targets are no .*; give a tensor or an array of numbers"):
        problem(train=(X, targets))
    with pytest.raises(ValueError, match="train inputs are complex"):
        problem(train=(X + 0j, Y))


def test_arrays_of_any_making_give_the_same_landscape():
    truth = tg.landscape(problem()).loss
    images, labels = X.double().numpy(), Y.numpy()
    flipped = np.ascontiguousarray(images[::-1])[::-1]
    locked = images.copy()
    locked.flags.writeable = False
    for inputs, targets in (
        (images.tolist(), labels.tolist()),
        (flipped, labels.astype(np.uint8)),
        (locked, labels.astype(">i2")),
        (images.astype(">f8"), Y.to(torch.int32)),
        (X.clone().requires_grad_(), Y),
        (X.T.contiguous().T, labels[::-1][::-1]),
    ):
        assert tg.landscape(problem(train=(inputs, targets))).loss == pytest.approx(truth, rel=1e-12)
