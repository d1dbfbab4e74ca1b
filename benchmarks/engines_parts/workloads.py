"""The trainings that are timed: networks, synthetic data of a fixed seed, batches, learning rates.

The weights of every network come in the order of its layers, weight and bias in turn; a layer of four axes is a
convolution with ReLU and pooling, one of two axes a linear one. So every engine can rebuild the loss from `Workload`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import nn

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.problems import NonlinearRegression

SAMPLERS = {"wr": WithReplacement, "wor": WithoutReplacement}
NAMES = ("W1", "W2", "W3", "W4", "W5", "CNN")


@dataclass(frozen=True)
class Workload:
    """One training.

    Attributes:
        name: W1 ... W5 or CNN.
        text: network and sizes for the reader.
        problem: what the ensemble engines train.
        trajectories: networks trained.
        batch: samples per update.
        learning_rate: of the timed training.
        checked_rate: of the one step that is compared; large enough that the step is not lost in rounding.
        activation: "tanh" or "relu".
        squares: factor of the squared error; 0 = cross-entropy.
        regulariser: factor of the sum of the squared weights.
    """

    name: str
    text: str
    problem: tg.Problem
    trajectories: int
    batch: int
    learning_rate: float = 0.1
    checked_rate: float = 0.1
    activation: str = "tanh"
    squares: float = 0.0
    regulariser: float = 0.0

    @property
    def samples(self) -> int:
        return len(self.problem.train[0])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs in float32, and targets: float32 or classes."""
        inputs, targets = (part.numpy() for part in self.problem.train)
        return inputs.astype(np.float32), targets.astype(np.float32 if self.squares else np.int64)

    def experiment(
        self, steps: int, engine: str, dtype: str, sampler: str, **changes: object
    ) -> tg.Experiment:
        """The training as an experiment that records nothing but its last weights."""
        settings = {
            "minibatching": SAMPLERS[sampler](self.batch),
            "dynamics": SGD(self.learning_rate),
            "observe": (),
            "trajectories": self.trajectories,
            "steps": steps,
            "engine": engine,
            "dtype": dtype,
        }
        return tg.Experiment(self.problem, **{**settings, **changes})

    @cached_property
    def initial_weights(self) -> dict[str, np.ndarray]:
        """Float32 weights of all trajectories, name to (trajectory, ...)."""
        first = self.experiment(1, "eager", "float32", "wor")
        return first.initial_weights(range(self.trajectories))

    def given_indices(self, steps: int) -> np.ndarray:
        """Batches drawn beforehand, (steps, trajectory, sample), distinct within a batch."""
        generator = np.random.default_rng(1)
        shape = (steps, self.trajectories, self.batch)
        if self.samples <= 1000:
            keys = generator.random((*shape[:2], self.samples), dtype=np.float32)
            return np.argpartition(keys, self.batch, axis=-1)[..., : self.batch].copy()
        return generator.integers(0, self.samples, shape)  # a repeated sample costs the same


@cache
def workload(name: str) -> Workload:
    """The training of this name, data made anew."""
    return _MAKERS[name]()


def _perceptron(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def _convolutional() -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((1, 16), (16, 20), (20, 20)):
        layers += [nn.Conv2d(fan_in, fan_out, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(20 * 3 * 3, 10))


def _classes(shape: tuple[int, ...], samples: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal inputs, and the largest of some random projections of them as the class."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(samples, *shape, generator=generator)
    directions = torch.randn(inputs[0].numel(), classes, generator=generator)
    return inputs, (inputs.flatten(1) @ directions).argmax(1)


def _classifier(
    name: str, sizes: tuple[int, ...], samples: int, activation: type[nn.Module] = nn.Tanh
) -> tg.Problem:
    return tg.Problem(
        model=lambda: _perceptron(sizes, activation),
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=_classes(sizes[:1], samples, sizes[-1]),
        name=name,
    )


def _w1() -> Workload:
    problem = replace(NonlinearRegression().build(), name="W1")
    return Workload(
        "W1", "1-2-1 tanh, R = 1000, m = 10, M = 200", problem, 1000, 10,
        learning_rate=1e-7, checked_rate=1e-4, squares=200 / (2 * 0.1**2), regulariser=10.0,
    )  # fmt: skip


def _w2() -> Workload:
    problem = _classifier("W2", (2, 5, 5, 4), 1000)
    return Workload("W2", "2-5-5-4 tanh, R = 100, m = 100, M = 1000", problem, 100, 100)


def _w3() -> Workload:
    problem = _classifier("W3", (784, 5, 5, 5, 10), 60_000)
    return Workload("W3", "784-5-5-5-10 tanh, R = 50, m = 50, M = 60 000", problem, 50, 50)


def _w4() -> Workload:
    problem = _classifier("W4", (49, 10), 10_000)
    return Workload("W4", "49-10 linear, R = 16, m = 100, M = 10 000", problem, 16, 100)


def _w5() -> Workload:
    problem = _classifier("W5", (784, 200, 200, 10), 10_000, nn.ReLU)
    text = "784-200-200-10 relu, R = 4, m = 100, M = 10 000"
    return Workload("W5", text, problem, 4, 100, activation="relu")


def _cnn() -> Workload:
    problem = tg.Problem(
        model=_convolutional,
        loss=nn.CrossEntropyLoss(reduction="none"),
        train=_classes((1, 28, 28), 2000, 10),
        name="CNN",
    )
    text = "3 convolutions 5 x 5 (16, 20, 20) with pooling on 28 x 28, R = 8, m = 100, M = 2000"
    return Workload("CNN", text, problem, 8, 100, activation="relu")


_MAKERS = {"W1": _w1, "W2": _w2, "W3": _w3, "W4": _w4, "W5": _w5, "CNN": _cnn}
