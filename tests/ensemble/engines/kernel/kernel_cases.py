"""Small networks, an update with noise, and an experiment: what the tests of the kernel train."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import thermograd as tg
from thermograd.numerics.log_times import At
from thermograd.observables import Loss

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(200, 2, generator=GENERATOR)
Y = torch.randint(0, 4, (200,), generator=GENERATOR)


def network(*layers, loss=None, targets=Y, inputs=X, **settings):
    return tg.Problem(
        model=lambda: nn.Sequential(*[layer() for layer in layers]),
        loss=loss or nn.CrossEntropyLoss(reduction="none"),
        train=(inputs, targets),
        **settings,
    )


def linear(*sizes):
    return lambda: nn.Linear(*sizes)


TANH = network(linear(2, 5), nn.Tanh, linear(5, 5), nn.Tanh, linear(5, 4))
SQUARES = network(
    linear(2, 3),
    nn.GELU,
    linear(3, 2),
    loss=lambda o, t: (o - t).square().sum(1),
    targets=torch.stack([X[:, 1], X[:, 0]], 1),
)


@dataclass(frozen=True)
class Langevin:
    """A cooling rate, and noise of two draws."""

    learning_rate: float = 0.05
    temperature: float = 1e-3

    def start(self, weights):
        return {}

    def step(self, weights, state, oracle, step):
        slope, first, second = oracle.gradient(weights), oracle.normal(), oracle.normal(1)
        rate = self.learning_rate / (1 + step) ** 0.5
        noise = (2 * rate * self.temperature) ** 0.5
        return {n: w - rate * slope[n] + noise * (first[n] + second[n]) for n, w in weights.items()}, state


def experiment(problem, dynamics, minibatching, **settings):
    chosen = {"trajectories": 11, "steps": 20, "seed": 5, "observe": [Loss(at=At((0,)))]} | settings
    return tg.Experiment(problem, minibatching, dynamics, **chosen)


def differences(one, other):
    """Largest difference of weights over the largest weight, by name."""
    return {
        name: np.abs(value - other.weights()[name]).max() / np.abs(value).max()
        for name, value in one.weights().items()
    }
