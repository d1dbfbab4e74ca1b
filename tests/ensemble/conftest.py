"""The tiny loop of the reliability tests, to drive a run directory without training; and a regression whose temperature is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.minibatching import Persistent

sys.path.append(str(Path(__file__).parents[1] / "reliability"))

RATE = 0.1

DECAY = 0.3


def ridge(dimension=24, samples=72, seed=0):
    """Rows z = x/√d of two clusters and labels ±1; the loss of a sample is n(h − y)²/2."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(samples) % 2, 1.0, -1.0)
    direction = rng.normal(size=dimension)
    inputs = labels[:, None] * direction / np.sqrt(dimension) + rng.normal(size=(samples, dimension)) / 2**0.5
    return inputs / np.sqrt(dimension), labels


@pytest.fixture(name="ridge")
def give_ridge():
    return ridge


def linear(seed=0):
    model = nn.Linear(24, 1, bias=False)
    with torch.no_grad():
        model.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(name="linear")
def give_linear():
    return linear


def square(samples=1):
    return lambda outputs, targets: samples * (outputs[:, 0] - targets) ** 2 / 2


@pytest.fixture(name="square")
def give_square():
    return square


def measure(model=None, loss=None, data=None, **options):
    z, y = ridge()
    arguments = {
        "learning_rate": RATE,
        "minibatching": Persistent(0.3),
        "weight_decay": DECAY,
        "burn_in": 150,
        "windows": 6,
        "lags": 20,
    }
    return tg.measure_temperature(
        model or linear(),
        loss or square(72),
        data or (torch.from_numpy(z), torch.from_numpy(y)),
        **arguments | options,
    )


@pytest.fixture(name="measure")
def give_measure():
    return measure
