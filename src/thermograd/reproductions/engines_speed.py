"""Trajectory-steps per second: our engines, sampling included, beside PyTorch by hand, whose batches are given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.engines.one_thread import one_thread
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.plan import prepare
from thermograd.errors import EngineUnavailableError
from thermograd.minibatching.with_replacement import WithReplacement
from thermograd.problems.nonlinear_regression import NonlinearRegression
from thermograd.problems.problem import Problem
from thermograd.quantities import Estimate, Verdict
from thermograd.report.speeds import Speeds, speeds
from thermograd.reproductions.fluctuation_dissipation_ratio import over_seeds
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

_REPEATS, _SECONDS, _FULL_SECONDS = 5, 0.4, 2.0
_GIVEN = 32
LOOP, VMAP = "one after another, by hand", "torch.func.vmap, by hand"
OURS = ("eager", "kernel, float64", "kernel, float32", "auto")
Steps = Callable[[int], None]
"""Makes that many updates of the whole ensemble."""


@dataclass(frozen=True)
class Workload:
    """An ensemble to be trained.

    Attributes:
        name: network and sizes.
        experiment: float32, with replacement, which by hand is the cheapest.
        bars: (our way, way by hand) -> how many times as fast we mean to be.
    """

    name: str
    experiment: Experiment
    bars: Mapping[tuple[str, str], float]


def reproduce(settings: Settings) -> Stages:
    """One network after another; every way is measured in turn, so that a busy moment meets all of them.

    Args:
        settings: `full` measures five times as long.

    Yields:
        The table so far, with its figure.
    """
    seconds = _FULL_SECONDS if settings.full else _SECONDS
    measured: dict[str, Mapping[str, tuple[float, ...]]] = {}
    rows: list[Row] = []
    facts = [
        (
            "How",
            f"one thread, processor time, {_REPEATS} rounds of at least {seconds:g} s for each way, in turn; ratios of a round",
        )
    ]
    known = workloads(settings.seed)
    for place, workload in enumerate(known):
        settings.say(f"{workload.name}: building, then {_REPEATS} rounds")
        ways, reasons = _ways(workload.experiment)
        facts.append((workload.name, reasons))
        with one_thread():
            measured[workload.name] = _rounds(ways, workload.experiment.trajectories, seconds)
        rows += ratios(workload, measured[workload.name])
        yield Reproduction(
            "engines",
            "speed",
            "Engines: trajectory-steps per second beside PyTorch by hand",
            tuple(rows),
            (speeds(Speeds(measured)),),
            tuple(facts),
            complete=place == len(known) - 1,
        )


def workloads(seed: int) -> tuple[Workload, ...]:
    """The networks: two tiny ones, long inputs, a linear classifier, and one that is too wide for the kernel."""
    generator = torch.Generator().manual_seed(seed)

    def classifier(sizes: tuple[int, ...], samples: int, activation: type[nn.Module]) -> Problem:
        inputs = torch.randn(samples, sizes[0], generator=generator)
        targets = (inputs @ torch.randn(sizes[0], sizes[-1], generator=generator)).argmax(1)

        def model() -> nn.Module:
            layers: list[nn.Module] = []
            for fan_in, fan_out in pairwise(sizes):
                layers += [nn.Linear(fan_in, fan_out), activation()]
            return nn.Sequential(*layers[:-1])

        return Problem(model=model, loss=nn.CrossEntropyLoss(reduction="none"), train=(inputs, targets))

    def ensemble(problem: Any, rate: float, trajectories: int, batch: int) -> Experiment:
        return Experiment(
            problem,
            WithReplacement(batch),
            SGD(rate),
            observe=(),
            trajectories=trajectories,
            steps=2**31,
            block_size=trajectories,
            dtype="float32",
            seed=seed,
        )

    single, double = ("kernel, float32", "kernel, float64")
    return (
        Workload(
            "1-2-1 tanh, 1000 trajectories, batches of 10",
            ensemble(NonlinearRegression(), 1e-7, 1000, 10),
            {(single, LOOP): 2000, (single, VMAP): 25, (double, VMAP): 12},
        ),
        Workload(
            "2-5-5-4 tanh, 100 trajectories, batches of 100",
            ensemble(classifier((2, 5, 5, 4), 1000, nn.Tanh), 0.1, 100, 100),
            {(single, LOOP): 60, (single, VMAP): 12},
        ),
        Workload(
            "49-10 linear, 16 trajectories, batches of 100",
            ensemble(classifier((49, 10), 5000, nn.Tanh), 0.1, 16, 100),
            {(single, VMAP): 4},
        ),
        Workload(
            "784-5-5-5-10 tanh, 50 trajectories, batches of 50",
            ensemble(classifier((784, 5, 5, 5, 10), 20_000, nn.Tanh), 0.1, 50, 50),
            {(single, LOOP): 4, (single, VMAP): 2},
        ),
        Workload(
            "784-200-200-10 relu, 4 trajectories, batches of 100",
            ensemble(classifier((784, 200, 200, 10), 5000, nn.ReLU), 0.1, 4, 100),
            {("auto", LOOP): 0.9},
        ),
    )


def ratios(workload: Workload, measured: Mapping[str, tuple[float, ...]]) -> Iterator[Row]:
    """A row for each bar: our speed over that of a way by hand, round by round.

    Args:
        workload: its bars.
        measured: trajectory-steps per second by way; a way that cannot run here is absent.

    Yields:
        Rows whose verdict is whether the interval reaches the bar; half of it without AVX-512.
    """
    halved = 1.0 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 0.5
    for (ours, hand), bar in workload.bars.items():
        aim = bar if bar < 1.5 else bar * halved
        quantity = f"{ours} over {hand}; {workload.name}"
        if ours not in measured:
            text = "this engine cannot run here"
            yield Row(quantity, f"at least {aim:g}", "not measured", Verdict(None, "engine_absent", text))
            continue
        pairs = zip(measured[ours], measured[hand], strict=True)
        found = over_seeds([mine / theirs for mine, theirs in pairs], "mean over rounds")
        yield Row(quantity, f"at least {aim:g}", found, _verdict(found, aim, measured[ours]))


def _verdict(found: Estimate, bar: float, speeds_found: tuple[float, ...]) -> Verdict:
    holds = True if found.low >= bar else False if found.high < bar else None
    said = {True: "reached", False: "missed", None: "not decided by these rounds"}[holds]
    return Verdict(
        holds,
        "speed",
        f"{said}; {min(speeds_found):.3g} to {max(speeds_found):.3g} trajectory-steps per second",
    )


def _ways(experiment: Experiment) -> tuple[dict[str, Steps], str]:
    """All that can train it, by name, and what the engines say."""
    ways = {LOOP: _one_after_another(experiment), VMAP: _batched(experiment)}
    reasons = []
    for name in OURS:
        engine, _, dtype = name.partition(", ")
        try:
            plan, trainer = prepare(replace(experiment, engine=engine, dtype=dtype or "float32"))
        except EngineUnavailableError as failure:
            reasons.append(f"{name}: {failure}")
            continue
        if plan.engine == "kernel" and engine == "auto":
            continue  # measured already
        block = trainer.start(range(experiment.trajectories))
        ways[name] = _advancing(trainer, block)
        reasons.append(plan.reason)
    return ways, "; ".join(dict.fromkeys(reasons))


def _advancing(trainer: Any, block: Any) -> Steps:
    held = [block]

    def advance(steps: int) -> None:
        held[0] = trainer.advance(held[0], steps)

    return advance


def _rounds(ways: Mapping[str, Steps], trajectories: int, seconds: float) -> dict[str, tuple[float, ...]]:
    """Trajectory-steps per second of each way, in rounds."""
    counts = {name: _enough(advance, seconds) for name, advance in ways.items()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_REPEATS):
        for name, advance in ways.items():
            begun = time.process_time()
            advance(counts[name])
            found[name].append(counts[name] * trajectories / (time.process_time() - begun))
    return {name: tuple(values) for name, values in found.items()}


def _enough(advance: Steps, seconds: float) -> int:
    """Updates that take about this long, after a first one that is not counted."""
    advance(1)
    count, spent = 1, 0.0
    while spent < seconds / 8:
        begun = time.process_time()
        advance(count)
        spent = time.process_time() - begun
        count *= 1 if spent >= seconds / 8 else 4
    return max(1, math.ceil(count * seconds / spent))


def _given(experiment: Experiment) -> Tensor:
    """Batches drawn beforehand, (step, trajectory, sample)."""
    members = range(experiment.trajectories)
    return torch.from_numpy(np.stack([experiment.indices(members, step) for step in range(_GIVEN)]))


def _start(experiment: Experiment) -> dict[str, Tensor]:
    dtype = experiment.functional.dtype
    weights = experiment.initial_weights(range(experiment.trajectories))
    return {name: torch.from_numpy(value).to(dtype) for name, value in weights.items()}


def _one_after_another(experiment: Experiment) -> Steps:
    """A loop over trajectories and steps with `torch.autograd.grad`, weights changed in place."""
    problem, rate, batches = experiment.functional, experiment.dynamics.learning_rate, _given(experiment)  # type: ignore[attr-defined]  # SGD
    inputs, targets = problem.train
    stacked = _start(experiment)
    members = [
        {name: value[k].clone().requires_grad_() for name, value in stacked.items()}
        for k in range(experiment.trajectories)
    ]

    def advance(steps: int) -> None:
        for k, weights in enumerate(members):
            leaves = list(weights.values())
            for step in range(steps):
                batch = batches[step % _GIVEN, k]
                loss = problem.training_loss(weights, (inputs[batch], targets[batch]))
                slopes = torch.autograd.grad(loss, leaves)
                with torch.no_grad():
                    torch._foreach_add_(leaves, slopes, alpha=-rate)

    return advance


def _batched(experiment: Experiment) -> Steps:
    """`vmap(grad(loss))` over all trajectories."""
    problem, rate, batches = experiment.functional, experiment.dynamics.learning_rate, _given(experiment)  # type: ignore[attr-defined]  # SGD
    inputs, targets = problem.train
    slopes_of = vmap(grad(lambda weights, x, y: problem.training_loss(weights, (x, y))))
    held = [_start(experiment)]

    def advance(steps: int) -> None:
        weights = held[0]
        for step in range(steps):
            batch = batches[step % _GIVEN]
            slopes = slopes_of(weights, inputs[batch], targets[batch])
            weights = {name: value - rate * slopes[name] for name, value in weights.items()}
        held[0] = weights

    return advance
