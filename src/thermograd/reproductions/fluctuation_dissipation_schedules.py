"""Schedules that cut by the relation, beside a preset one and beside AMSGrad (Fig 4 and Fig S2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from thermograd.problems import MNIST, Digits
from thermograd.quantities import Estimate, Verdict
from thermograd.report.equilibration import equilibration
from thermograd.report.schedules import ScheduledTraining, schedules
from thermograd.report.watched_training import WatchedTraining
from thermograd.reproductions.fluctuation_dissipation_ratio import over_seeds
from thermograd.reproductions.fluctuation_dissipation_training import Training
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.training.schedulers.reduce_lr_on_stationarity import ReduceLROnStationarity, Rule
from thermograd.training.watch import Watch, watch

PRESET, AMSGRAD = "preset, /10 at each quarter", "AMSGrad"
_RULES: Mapping[str, tuple[Rule, float, float]] = {
    "ratio, X = 0.01, Y = 0.1": ("ratio", 0.01, 0.9),
    "ratio, X = 0.1, Y = 0.3": ("ratio", 0.1, 0.7),
    "equivalence": ("equivalence", 0.01, 0.1),
    "gain": ("gain", 0.01, 0.1),
}
_PAPERS = tuple(name for name in _RULES if name.startswith("ratio"))
_SHARE, _POINTS = 5.0, 1.0
"""Differences that count as none: per cent of the loss, and points of accuracy."""

Step = Callable[[Tensor], None]


@dataclass(frozen=True, eq=False)
class Trial:
    """What is trained under every schedule.

    Attributes:
        training: without its schedule.
        what: network and data in a few words, for every row.
        details: the rest, for the page.
        learning_rate: at the start.
        epochs: of the whole training.
        seeds: how many trainings.
    """

    training: Training
    what: str
    details: str
    learning_rate: float
    epochs: int
    seeds: int

    @property
    def size(self) -> str:
        """For a row."""
        return f"{self.what}, {self.epochs} epochs, {self.seeds} seeds"


def reproduce(settings: Settings) -> Stages:
    """All schedules on the same trainings.

    Args:
        settings: `full` asks for the perceptron on 60 000 images of MNIST.

    Yields:
        The table, at last with the figures.
    """
    trial = _trial(settings.full)
    found: dict[str, ScheduledTraining] = {}
    histories: dict[str, WatchedTraining] = {}
    for name in (PRESET, *_RULES, AMSGRAD):
        settings.say(f"{name}: {trial.size}")
        pairs = [_train(trial, name, settings.seed + seed) for seed in range(trial.seeds)]
        found[name] = _stacked([columns for columns, _ in pairs])
        if pairs[0][1] is not None:
            histories[name] = pairs[0][1]
    settings.say("drawing")
    facts = (
        ("Trained here", trial.size),
        ("Training", trial.details),
        ("Start", f"learning rate {trial.learning_rate:g}; AMSGrad with its defaults, 0.001"),
        *((name, _cuts(entry)) for name, entry in found.items()),
        ("Watched", "the last figure is the first seed under the rule equivalence"),
    )
    yield Reproduction(
        "fluctuation_dissipation",
        "schedules",
        "Fluctuation and dissipation: schedules of the learning rate",
        tuple(rows(trial, found)),
        (schedules(found), equilibration(histories["equivalence"])),
        facts,
    )


def rows(trial: Trial, found: Mapping[str, ScheduledTraining]) -> Iterator[Row]:
    """Differences at the end of training, paired over seeds: from the preset schedule, and from AMSGrad.

    Args:
        trial: what was trained.
        found: schedule -> its trainings.

    Yields:
        Four rows for each rule.
    """
    for name in _RULES:
        for other, statement, matching in (
            (PRESET, "matches the preset schedule", True),
            (AMSGRAD, "beats AMSGrad", False),
        ):
            said = statement if name in _PAPERS else "not in the paper"
            one, two = found[name], found[other]
            loss = 100 * (1 - _last(one.train_loss) / _last(two.train_loss))
            points = 100 * (_last(one.test_accuracy) - _last(two.test_accuracy))
            cut = bool((np.diff(one.learning_rate) < 0).any())
            against = "the preset one" if other == PRESET else "AMSGrad"
            yield Row(
                f"training loss lower than with {against}, %, {name}; {trial.size}",
                said,
                over_seeds(loss.tolist()),
                _verdict(over_seeds(loss.tolist()), _SHARE, matching, name, cut),
            )
            yield Row(
                f"test accuracy above {against}, points, {name}; {trial.size}",
                said,
                over_seeds(points.tolist()),
                _verdict(over_seeds(points.tolist()), _POINTS, matching, name, cut),
            )


def _verdict(ahead: Estimate, margin: float, matching: bool, name: str, cut: bool) -> Verdict:
    """Whether a schedule is as good (within the margin), or better; more is better."""
    if not cut:
        text = "not resolved at this size: it never cut, so this is the constant rate"
        return Verdict(None, "never_cut", text)
    least = -margin if matching else 0.0
    holds = True if ahead.low > least else False if ahead.high < least else None
    aim = f"no more than {margin:g} behind" if matching else "ahead"
    text = {True: aim, False: f"not {aim}", None: f"not resolved at this size: {aim}, or not"}[holds]
    if name not in _PAPERS:
        return Verdict(None, "not_in_the_paper", text)
    return Verdict(holds, "schedules_compared", text)


def _trial(full: bool) -> Trial:
    if full:
        training = Training(MNIST(train_samples=60_000, test_samples=10_000).build(), 100)
        return Trial(
            training,
            "784-200-200-10 on 60 000 MNIST images",
            "batches of 100, weight decay 0.01",
            0.1,
            400,
            3,
        )
    problem = Digits((32,), train_samples=1250, flipped=0.3, regulariser=0.01, dtype="float32").build()
    details = "cross-entropy, 30 % of the labels redrawn, batches of 50, weight decay 0.02"
    return Trial(Training(problem, 50), "tanh 64-32-10 on 1250 digits", details, 0.4, 160, 3)


def _train(trial: Trial, name: str, seed: int) -> tuple[ScheduledTraining, WatchedTraining | None]:
    training = trial.training
    model = training.model(seed)
    optimizer, step, watching = _schedule(trial, name, model, seed)
    columns: list[tuple[float, ...]] = []
    supply = training.epochs(seed)
    for _ in range(trial.epochs):
        rate = optimizer.param_groups[0]["lr"]
        for inputs, targets in next(supply):
            optimizer.zero_grad()
            loss = training.loss(model, inputs, targets)
            loss.backward()  # type: ignore[no-untyped-call]  # torch
            optimizer.step()
            step(loss.detach())
        columns.append((rate, *_evaluated(training, model)))
    history = None if watching is None else WatchedTraining(watching.history())
    return ScheduledTraining(*np.array(columns).T), history


def _schedule(trial: Trial, name: str, model: nn.Module, seed: int) -> tuple[Optimizer, Step, Watch | None]:
    decay = trial.training.weight_decay
    if name == AMSGRAD:
        adam = torch.optim.Adam(model.parameters(), amsgrad=True, weight_decay=decay)
        return adam, lambda loss: None, None
    optimizer = trial.training.sgd(model, trial.learning_rate)
    per_epoch = trial.training.steps_per_epoch
    if name == PRESET:
        quarters = [per_epoch * trial.epochs * quarter // 4 for quarter in (1, 2, 3)]
        preset = MultiStepLR(optimizer, quarters)
        return optimizer, lambda loss: preset.step(), None
    rule, threshold, factor = _RULES[name]
    watching = watch(optimizer, steps_per_epoch=per_epoch, seed=seed)
    adaptive = ReduceLROnStationarity(optimizer, watching, rule=rule, threshold=threshold, factor=factor)
    return optimizer, adaptive.step, watching


@torch.no_grad()
def _evaluated(training: Training, model: nn.Module) -> tuple[float, float, float]:
    """Training loss with the regulariser, and the accuracies."""
    inputs, targets = training.data("train")
    outputs = model(inputs)
    loss = float(training.problem.loss(outputs, targets).mean())
    loss += training.weight_decay / 2 * sum(float(value.square().sum()) for value in model.parameters())
    test_inputs, test_targets = training.data("test")
    shares = [
        float((scores.argmax(1) == classes).double().mean())
        for scores, classes in ((outputs, targets), (model(test_inputs), test_targets))
    ]
    return loss, shares[0], shares[1]


def _stacked(trained: list[ScheduledTraining]) -> ScheduledTraining:
    names = ("learning_rate", "train_loss", "train_accuracy", "test_accuracy")
    return ScheduledTraining(*(np.stack([getattr(entry, name) for entry in trained]) for name in names))


def _last(values: np.ndarray) -> np.ndarray:
    """Mean over the last twentieth of the epochs, by seed."""
    return np.asarray(values[:, -max(1, values.shape[1] // 20) :].mean(1))


def _cuts(entry: ScheduledTraining) -> str:
    first = [
        int(np.argmax(np.diff(rate) < 0)) + 2 if (np.diff(rate) < 0).any() else None
        for rate in entry.learning_rate
    ]
    when = ", ".join("never" if epoch is None else f"epoch {epoch}" for epoch in first)
    counts = ", ".join(str(int((np.diff(rate) < 0).sum())) for rate in entry.learning_rate)
    return f"first lower rate by seed: {when}; cuts: {counts}; last rate {entry.learning_rate[0, -1]:.2g}"
