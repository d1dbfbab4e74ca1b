"""First cuts on a regression whose equilibration is known, because an ensemble of it is cheap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from thermograd.problems import Digits
from thermograd.quantities import Verdict
from thermograd.report.first_cuts import FirstCuts, first_cuts
from thermograd.reproductions.fluctuation_dissipation_ratio import over_seeds
from thermograd.reproductions.fluctuation_dissipation_training import Training
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.training.schedulers.reduce_lr_on_stationarity import ReduceLROnStationarity, Rule
from thermograd.training.watch import watch

Array = npt.NDArray[np.float64]

LEARNING_RATE, BATCH_SIZE = 0.1, 100
BIAS = 0.25
"""Equilibrated: the squared bias of the mean is below this share of the stationary variance."""
_RULES: Mapping[str, tuple[Rule, float, float]] = {
    "equivalence": ("equivalence", 0.01, 0.1),
    "ratio, X = 0.01, Y = 0.1": ("ratio", 0.01, 0.9),
    "ratio, X = 0.1, Y = 0.3": ("ratio", 0.1, 0.7),
}
_HORIZON, _SEEDS, _ENSEMBLE = 9000, 3, 16


def reproduce(settings: Settings) -> Stages:
    """The equilibration of an ensemble, then when each rule cuts.

    Args:
        settings: `say` is told what is being done.

    Yields:
        The table with its figure.
    """
    training = Training(
        Digits(hidden=(), train_samples=1200, flipped=0.1, regulariser=0.005).build(), BATCH_SIZE
    )
    settings.say(
        f"an ensemble of {_ENSEMBLE} regressions for {_HORIZON} steps, to know when they equilibrate"
    )
    truth = equilibration_step(training, LEARNING_RATE, _HORIZON, _ENSEMBLE, settings.seed)
    steps: dict[str, tuple[float, ...]] = {}
    for name, rule in _RULES.items():
        settings.say(f"{name}: {_SEEDS} trainings until the first cut")
        seeds = range(settings.seed, settings.seed + _SEEDS)
        steps[name] = tuple(first_cut(training, rule, seed) for seed in seeds)
    found = FirstCuts(truth, steps, _HORIZON)
    size = f"softmax regression on 1200 digits, {_SEEDS} seeds"
    yield Reproduction(
        "fluctuation_dissipation",
        "first-cut",
        "Fluctuation and dissipation: first cuts against the known equilibration",
        tuple(rows(found, size)),
        (first_cuts(found),),
        (
            (
                "Trained here",
                f"{size}, 10 % of the labels redrawn, batches of {BATCH_SIZE}, weight decay 0.01, learning rate "
                f"{LEARNING_RATE:g}, at most {_HORIZON} steps",
            ),
            (
                "Truth",
                f"step {truth:g}: the squared bias of {_ENSEMBLE} runs falls below {BIAS:g} of the stationary "
                "variance, which is that of the last third",
            ),
        ),
    )


def rows(found: FirstCuts, size: str) -> Iterator[Row]:
    """First cut over truth, one row a rule; the paper has no such number.

    Args:
        found: the first cuts.
        size: what was trained.

    Yields:
        The rows.
    """
    for rule, steps in found.steps.items():
        ratios = [step / found.truth for step in steps if math.isfinite(step)]
        never = len(steps) - len(ratios)
        text = f"never cut in {never} of {len(steps)} seeds" if never else "every seed cut"
        horizon = f"at least {found.horizon / found.truth:.2g}"
        spread = f"{min(ratios, default=math.inf):.2f} to {horizon}" if ratios else horizon
        ours = f"{spread}: no mean where some never cut" if never else over_seeds(ratios)
        yield Row(
            f"first cut over truth, {rule}; {size}",
            "not stated",
            ours,
            Verdict(None, "not_in_the_paper", text),
        )


def first_cut(training: Training, rule: tuple[Rule, float, float], seed: int) -> float:
    """Step after which the learning rate first fell; infinite if it did not."""
    model = training.model(seed)
    optimizer = training.sgd(model, LEARNING_RATE)
    watching = watch(optimizer, steps_per_epoch=training.steps_per_epoch, seed=seed)
    name, threshold, factor = rule
    scheduler = ReduceLROnStationarity(optimizer, watching, rule=name, threshold=threshold, factor=factor)
    step = 0
    for batches in training.epochs(seed):
        for inputs, targets in batches:
            optimizer.zero_grad()
            training.loss(model, inputs, targets).backward()  # type: ignore[no-untyped-call]  # torch
            optimizer.step()
            scheduler.step()
            step += 1
        if scheduler.reductions:
            return float(step)
        if step >= _HORIZON:
            break
    return math.inf


def equilibration_step(training: Training, rate: float, horizon: int, runs: int, seed: int) -> float:
    """First epoch end at which the bias of an ensemble has gone: |E θ − μ|² < Tr Σ / 4.

    Σ is the covariance at the epoch ends of the last third, over time and runs, μ the mean there. The mean over a
    finite number of runs has a variance of its own, which is subtracted.

    Args:
        training: a softmax regression.
        rate: learning rate.
        horizon: steps.
        runs: size of the ensemble.
        seed: of initial weights and batches.
    """
    ends = np.stack([weights for weights in _epoch_ends(training, rate, horizon, runs, seed)])
    stationary = ends[2 * len(ends) // 3 :]
    trace = stationary.var((0, 1)).sum()
    bias = ((ends.mean(1) - stationary.mean((0, 1))) ** 2).sum(1) - trace / runs
    return float(int(np.argmax(bias < BIAS * trace)) + 1) * training.steps_per_epoch


def _epoch_ends(training: Training, rate: float, horizon: int, runs: int, seed: int) -> Iterator[Array]:
    """Weights with bias (run, weight) at each epoch end, every run with its own start and shuffles."""
    inputs, targets = (part.numpy() for part in training.data("train"))
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    classes = np.eye(10)[targets]
    draw = np.random.default_rng(seed)
    bound = 1 / math.sqrt(inputs.shape[1] - 1)
    weights = draw.uniform(-bound, bound, (runs, inputs.shape[1], 10))
    size, per_epoch = training.batch_size, training.steps_per_epoch
    for _ in range(horizon // per_epoch):
        order = draw.permuted(np.tile(np.arange(len(inputs)), (runs, 1)), axis=1)
        for first in range(0, per_epoch * size, size):
            chosen = order[:, first : first + size]
            features = inputs[chosen]
            scores = features @ weights
            shares = np.exp(scores - scores.max(2, keepdims=True))
            shares /= shares.sum(2, keepdims=True)
            gradient = features.transpose(0, 2, 1) @ (shares - classes[chosen]) / size
            weights = weights - rate * (gradient + training.weight_decay * weights)
        yield weights.reshape(runs, -1)
