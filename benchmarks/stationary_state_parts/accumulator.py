"""What `StochasticArea` costs inside a step: in an ensemble, and on a live optimizer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import thermograd as tg
from thermograd.dynamics.sgd import SGD
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.numerics.log_times import At
from thermograd.observables.stochastic_area import StochasticArea
from thermograd.problems.digits import Digits

STEPS, PAIRS = 60, 7


def ensemble_seconds(*, summed: bool) -> float:
    """A step of 64 networks 64-64-10 on digits, batches of 20."""
    observed = (StochasticArea(at=At((STEPS,)), directions=8),) if summed else ()
    experiment = tg.Experiment(
        Digits(hidden=(64,)),
        minibatching=WithReplacement(batch_size=20),
        dynamics=SGD(0.1),
        trajectories=64,
        steps=STEPS,
        observe=observed,
        dtype="float32",
    )
    start = time.perf_counter()
    tg.run(experiment)
    return (time.perf_counter() - start) / STEPS


def live_seconds(*, summed: bool) -> float:
    """A step of a perceptron with 55 210 weights, batches of 100, watched with and without the sums."""
    inputs, targets = Digits().build().train
    inputs = inputs.float()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    observed = [StochasticArea(directions=8)] if summed else []
    tg.watch(optimizer, steps_per_epoch=100, observe=observed)
    taken = []
    for _ in range(STEPS * 4):
        start = time.perf_counter()
        chosen = torch.randint(len(inputs), (100,))
        optimizer.zero_grad()
        cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
        taken.append(time.perf_counter() - start)
    return median(taken)


def rows() -> Iterator[tuple[str, float, str, float]]:
    """What, measured, sense, bar."""
    torch.set_num_threads(1)
    for what, seconds in (
        ("a watched network of 55 210 weights", live_seconds),
        ("an ensemble of 64 networks of 4810 weights", ensemble_seconds),
    ):
        seconds(summed=True)
        pairs = [(seconds(summed=True), seconds(summed=False)) for _ in range(PAIRS)]
        yield (
            f"step of {what} with StochasticArea(directions=8), over without",
            median(a / b for a, b in pairs),
            "<=",
            1.1,
        )
