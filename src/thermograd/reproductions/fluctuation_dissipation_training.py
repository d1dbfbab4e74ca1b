"""Single trainings of a user's loop under a watch, with both sides of the relation recorded at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from thermograd.errors import NotApplicableError
from thermograd.observables.fluctuation_dissipation import capture
from thermograd.problems.problem import Problem
from thermograd.quantities import Estimate, Verdict
from thermograd.training.watch import Watch, watch

Array = npt.NDArray[np.float64]
RESHUFFLED, INDEPENDENT = "without_replacement", "with_replacement"


@dataclass(frozen=True, eq=False)
class Training:
    """What is trained, without its learning rates.

    Attributes:
        problem: network, loss, data; its regulariser λ Σ θ² becomes a weight decay 2 λ.
        batch_size: samples a step; the rest of an epoch that fills no batch is left out.
        momentum: of the velocity.
        sampling: "without_replacement" (a new permutation each epoch, as in the paper) or "with_replacement".
    """

    problem: Problem
    batch_size: int
    momentum: float = 0.0
    sampling: str = RESHUFFLED

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return len(self.problem.train[1]) // self.batch_size

    @property
    def weight_decay(self) -> float:
        """Of the optimiser, for the loss term of the problem.

        Raises:
            TypeError: the regulariser is a function.
        """
        if callable(self.problem.regulariser):
            message = "the regulariser of this problem is a function; only λ Σ θ² is a weight decay"
            raise TypeError(message)
        return 2 * self.problem.regulariser

    def model(self, seed: int) -> nn.Module:
        """A network whose initial weights depend on the seed alone."""
        factory = self.problem.model
        assert callable(factory)  # the problems of reproductions are factories
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return factory().to(_dtype(self.problem))

    def sgd(self, model: nn.Module, learning_rate: float) -> torch.optim.SGD:
        """Plain SGD with the weight decay of the problem."""
        return torch.optim.SGD(
            model.parameters(), learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )

    def epochs(self, seed: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """The batches of one epoch after another, without end."""
        inputs, targets = self.data("train")
        draw = np.random.default_rng([seed, 1])
        count = self.steps_per_epoch * self.batch_size
        while True:
            if self.sampling == INDEPENDENT:
                order = draw.integers(0, len(targets), count)
            else:
                order = draw.permutation(len(targets))[:count]
            parts = torch.split(torch.from_numpy(order), self.batch_size)
            yield [(inputs[part], targets[part]) for part in parts]

    def data(self, split: str) -> tuple[Tensor, Tensor]:
        """Inputs in the precision of the problem, and targets."""
        inputs, targets = self.problem.train if split == "train" else self.problem.test or self.problem.train
        return inputs.to(_dtype(self.problem)), targets

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss without the regulariser."""
        return self.problem.loss(model(inputs), targets).mean()


@dataclass(frozen=True, eq=False)
class Recorded:
    """One training at one learning rate.

    Attributes:
        learning_rate: of it.
        loss: of each minibatch, `(step,)`.
        dissipation: O_L about the origin, `(step,)`.
        fluctuation: O_R, `(step,)`.
        squared_gradient: |∇f|² of the whole training set with its regulariser at the end of each epoch, `(epoch,)`.
        steps_per_epoch: of the training.
        anchored: the ratio about where the weights were, of the watch; None while it warms up.
        verdict: of the watch, at the end.
        history: one mapping per block of the watch, from the start of this rate on.
        weights: the parameters at the end.
    """

    learning_rate: float
    loss: Array
    dissipation: Array
    fluctuation: Array
    squared_gradient: Array
    steps_per_epoch: int
    anchored: Estimate | None
    verdict: Verdict
    history: Sequence[Mapping[str, Any]]
    weights: tuple[Tensor, ...]


def sequence(
    training: Training, rates: Sequence[float], epochs: Sequence[int], *, seed: int, gradients: bool = False
) -> Iterator[Recorded]:
    """Train at one rate after another, each from where the last one ended, with the velocity set to 0.

    Args:
        training: what is trained.
        rates: learning rates.
        epochs: how many at each of them.
        seed: of the initial weights and of the batches.
        gradients: measure the gradient of the whole training set at the end of each epoch.

    Yields:
        What was recorded at each rate.
    """
    model = training.model(seed)
    optimizer = training.sgd(model, rates[0])
    watching = watch(optimizer, steps_per_epoch=training.steps_per_epoch, seed=seed)
    supply = training.epochs(seed)
    for rate, count in zip(rates, epochs, strict=True):
        optimizer.state.clear()
        for group in optimizer.param_groups:
            group["lr"] = rate
        seen = len(watching.history())
        steps, squares = [], []
        for _ in range(count):
            steps += [
                _step(training, model, optimizer, watching, inputs, targets)
                for inputs, targets in next(supply)
            ]
            if gradients:
                squares.append(squared_gradient(training, model))
        loss, left, right = np.array(steps, float).T
        yield Recorded(
            learning_rate=rate,
            loss=loss,
            dissipation=left,
            fluctuation=right,
            squared_gradient=np.array(squares),
            steps_per_epoch=training.steps_per_epoch,
            anchored=_asked(lambda: watching.fluctuation_dissipation().ratio),
            verdict=watching.verdict(),
            history=watching.history()[seen:],
            weights=tuple(weights.detach().clone() for weights in model.parameters()),
        )
    watching.detach()


def squared_gradient(training: Training, model: nn.Module) -> float:
    """|∇f|² of the whole training set, regulariser included; training is not disturbed."""
    gradients = _gradients(training, model, create_graph=False)
    return sum(float(gradient.detach().square().sum()) for gradient in gradients)


def largest_curvature(
    training: Training, weights: Sequence[Tensor], iterations: int = 30, seed: int = 0
) -> float:
    """Largest eigenvalue of the Hessian of the training loss, regulariser included, by power iteration.

    The Rayleigh quotient approaches it from below; 30 iterations leave it a few per cent short where the
    next eigenvalue is close.
    """
    model = training.model(seed)
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, value in zip(parameters, weights, strict=True):
            parameter.copy_(value)
    generator = torch.Generator().manual_seed(seed)
    direction = [torch.randn(value.shape, generator=generator, dtype=value.dtype) for value in parameters]
    gradients = _gradients(training, model, create_graph=True)
    curvature = 0.0
    for _ in range(iterations):
        norm = torch.sqrt(sum((part.square().sum() for part in direction), torch.zeros(())))
        direction = [part / norm for part in direction]
        product = torch.autograd.grad(gradients, parameters, direction, retain_graph=True)
        curvature = sum(float((part * pushed).sum()) for part, pushed in zip(direction, product, strict=True))
        direction = [pushed.detach() for pushed in product]
    return curvature


def _asked(question: Callable[[], Estimate]) -> Estimate | None:
    """What a watch answers, None where it is too early."""
    try:
        return question()
    except NotApplicableError:
        return None


def _step(
    training: Training,
    model: nn.Module,
    optimizer: torch.optim.SGD,
    watching: Watch,
    inputs: Tensor,
    targets: Tensor,
) -> tuple[float, float, float]:
    optimizer.zero_grad()
    loss = training.loss(model, inputs, targets)
    loss.backward()  # type: ignore[no-untyped-call]  # torch
    captured = capture(optimizer)
    optimizer.step()
    watching.record_loss(loss.detach())
    left, right = captured.dissipation_and_fluctuation()
    return float(loss.detach()), float(left), float(right)


def _gradients(training: Training, model: nn.Module, *, create_graph: bool) -> tuple[Tensor, ...]:
    parameters = list(model.parameters())
    objective = training.loss(model, *training.data("train"))
    for parameter in parameters:
        objective = objective + training.weight_decay / 2 * parameter.square().sum()
    return torch.autograd.grad(objective, parameters, create_graph=create_graph)


def _dtype(problem: Problem) -> torch.dtype:
    return torch.float64 if problem.dtype == "float64" else torch.float32
