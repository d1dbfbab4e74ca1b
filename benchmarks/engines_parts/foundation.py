"""Overhead of recording, sampling and bookkeeping over a bare `vmap(grad)` loop with the indices given.

Both sides train the same network on the same batches on one thread and evaluate the same quantities at the
same times; the bare loop is what one writes by hand: no sampling (indices are given), no divergence test, no
checkpoints, no perturbations. They are timed in turn, in one process; the median of the pairwise ratios of
processor time is reported, with the smallest and the largest.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch.func import functional_call, grad, vmap

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import Epochs
from thermograd.observables import Accuracy, Loss
from thermograd.problems import Digits, NonlinearRegression

ROUNDS = 9
BAR = 1.2


def teacher_network():
    """W2 of the engine table: 2-5-5-4 tanh on 1000 samples of four classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 2, generator=generator)
    y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
    layers = (torch.nn.Linear, torch.nn.Tanh)

    def model():
        linear, tanh = layers
        return torch.nn.Sequential(linear(2, 5), tanh(), linear(5, 5), tanh(), linear(5, 4))

    return tg.Problem(model=model, loss=torch.nn.CrossEntropyLoss(reduction="none"), train=(x, y))


def experiments():
    """Name and experiment of each workload."""
    both = [Loss(), Accuracy()]
    yield (
        "digits 64-64-10, R=64, m=20, M=600",
        tg.Experiment(
            Digits(hidden=(64,), train_samples=600, flipped=0.3),
            WithoutReplacement(20),
            SGD(0.5),
            observe=both,
            trajectories=64,
            epochs=10,
        ),
    )
    yield (
        "1-2-1, R=256, m=10, M=200, reshuffled",
        tg.Experiment(NonlinearRegression(), WithoutReplacement(10), SGD(1e-7), trajectories=256, epochs=40),
    )
    yield (
        "1-2-1, R=256, m=10, M=200, with replacement",
        tg.Experiment(NonlinearRegression(), WithReplacement(10), SGD(1e-7), trajectories=256, epochs=40),
    )
    yield (
        "2-5-5-4, R=100, m=100, M=1000",
        tg.Experiment(
            teacher_network(),
            WithoutReplacement(100),
            SGD(0.1),
            observe=[Loss(at=Epochs(10))],
            trajectories=100,
            epochs=40,
        ),
    )


def bare_loop(experiment):
    """The same training by hand; returns the seconds of processor time of the loop alone."""
    problem = experiment.functional
    (inputs, targets), module = problem.train, problem.module
    rate = experiment.dynamics.learning_rate
    members = range(experiment.trajectories)
    batches = [torch.from_numpy(experiment.indices(members, step)) for step in range(experiment.total_steps)]
    weights = {name: torch.from_numpy(v) for name, v in experiment.initial_weights(members).items()}

    def loss(one, batch):
        outputs = functional_call(module, one, (inputs[batch],))
        return problem.loss(outputs, targets[batch]).mean() + problem.regularisation(one)

    slope = vmap(grad(loss))
    records = [
        (
            set(entry.at.resolve(experiment.total_steps, experiment.steps_per_epoch).tolist()),
            vmap(lambda one, entry=entry: entry.measure(one, problem, None)),
        )
        for entry in experiment.observables
    ]
    begun = time.process_time()
    kept = [[record(weights) for times, record in records if 0 in times]]
    for step, batch in enumerate(batches):
        slopes = slope(weights, batch)
        weights = {name: value - rate * slopes[name] for name, value in weights.items()}
        kept.append([record(weights) for times, record in records if step + 1 in times])
    return time.process_time() - begun, weights


def ours(experiment):
    """The library; the seconds include planning, sampling, recording and bookkeeping."""
    begun = time.process_time()
    run = tg.run(experiment)
    return time.process_time() - begun, run.weights()


def print_table() -> None:
    """One row per workload."""
    torch.set_num_threads(1)
    print(f"| workload | bare loop, trajectory-steps/s | ours / bare (median, range of {ROUNDS}) | bar |")
    print("|---|---|---|---|")
    for name, experiment in experiments():
        ratios, speed = [], []
        for _ in range(ROUNDS):
            bare, by_hand = bare_loop(experiment)
            mine, weights = ours(experiment)
            for key, value in by_hand.items():
                assert torch.allclose(torch.from_numpy(weights[key]), value, rtol=1e-9, atol=1e-12)
            ratios.append(mine / bare)
            speed.append(experiment.trajectories * experiment.total_steps / bare)
        print(
            f"| {name} | {statistics.median(speed):,.0f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}–{max(ratios):.2f}) | ≤ {BAR:.2f} |"
        )
