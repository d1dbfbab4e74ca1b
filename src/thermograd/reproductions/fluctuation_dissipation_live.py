"""The trainings of the fluctuation-dissipation paper, at full size and at one that fits on two cores."""

from __future__ import annotations

from dataclasses import replace

from thermograd.errors import ConfigError
from thermograd.problems import MNIST, CIFAR10Convolutional, Digits
from thermograd.report.landscape_response import samplers_compared
from thermograd.reproductions.fluctuation_dissipation_changes import changed
from thermograd.reproductions.fluctuation_dissipation_landscape import landscape_rows, responses
from thermograd.reproductions.fluctuation_dissipation_ratio import (
    Plan,
    figures,
    ratio_rows,
    relaxation_row,
)
from thermograd.reproductions.fluctuation_dissipation_training import INDEPENDENT, RESHUFFLED, Training
from thermograd.reproductions.reproduction import Reproduction, Settings, Stages

NAME = "fluctuation_dissipation"
_TITLE = "Fluctuation and dissipation"


def digits(settings: Settings) -> Stages:
    """Ratio, relaxation and landscape of a small network on digits with wrong labels.

    Args:
        settings: `say` is told what is being done.

    Returns:
        The stages.
    """
    problem = Digits((32,), train_samples=1250, flipped=0.3, regulariser=0.01, dtype="float32").build()
    training = Training(problem, batch_size=50)
    rates = (0.4, 0.2, 0.1, 0.05)
    details = "cross-entropy, 30 % of the labels redrawn"
    plan = Plan(
        training, "tanh 64-32-10 on 1250 digits", details, rates, (64,) * len(rates), seeds=3, gradients=True
    )
    return _both_samplers(plan, "digits", f"{_TITLE}: a small network on digits", settings, None)


def ratio_mlp(settings: Settings) -> Stages:
    """Fig 1a: the perceptron on MNIST at learning rate 0.1.

    Args:
        settings: `full` asks for 60 000 images and 100 epochs instead of 5000 and 60.

    Returns:
        The stages.
    """
    training, what, details = _mlp(settings.full)
    plan = Plan(training, what, details, (0.1,), (100 if settings.full else 60,))
    return _ratios(plan, "ratio-mlp", f"{_TITLE}: perceptron on MNIST", settings)


def ratio_cnn(settings: Settings) -> Stages:
    """Fig 1b: the convolutional network on CIFAR-10 with momentum 0.9.

    Args:
        settings: `full` asks for 50 000 images and 100 epochs instead of 5000 and 20.

    Returns:
        The stages.
    """
    training, what, details = _cnn(settings.full)
    plan = Plan(training, what, details, (0.05,), (100 if settings.full else 20,))
    return _ratios(plan, "ratio-cnn", f"{_TITLE}: convolutional network on CIFAR-10", settings)


def rates(settings: Settings) -> Stages:
    """Fig 2a: the perceptron on MNIST at one learning rate after another.

    Args:
        settings: `full` asks for five rates, 500 to 1000 epochs each, and 4 seeds instead of 2.

    Returns:
        The stages.
    """
    training, what, details = _mlp(settings.full)
    if settings.full:
        plan = Plan(
            training, what, details, (0.05, 0.02, 0.01, 0.005, 0.003), (500, 500, 500, 1000, 1000), seeds=4
        )
    else:
        plan = Plan(training, what, details, (0.1, 0.05, 0.02), (40,) * 3, seeds=2)
    return _ratios(plan, "rates", f"{_TITLE}: perceptron on MNIST, rate after rate", settings)


def rates_cnn(settings: Settings) -> Stages:
    """Fig 2b: the convolutional network on CIFAR-10 at one learning rate after another.

    Args:
        settings: `full` asks for eleven rates, 200 to 800 epochs each, and 16 seeds instead of 1.

    Returns:
        The stages.
    """
    training, what, details = _cnn(settings.full)
    if settings.full:
        tried = (0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
        plan = Plan(training, what, details, tried, (200,) * 4 + (400,) * 4 + (800,) * 3, seeds=16)
    else:
        plan = Plan(training, what, details, (0.05, 0.02), (12, 12))
    return _ratios(plan, "rates-cnn", f"{_TITLE}: convolutional network, rate after rate", settings)


def landscape(settings: Settings) -> Stages:
    """Fig 3a: the squared gradient of the perceptron on MNIST, with both samplers.

    Args:
        settings: `full` asks for five rates, 500 to 1000 epochs each, and 4 seeds.

    Returns:
        The stages.
    """
    training, what, details = _mlp(settings.full)
    tried = (0.05, 0.02, 0.01, 0.005, 0.003)
    epochs = (500, 500, 500, 1000, 1000) if settings.full else (16,) * len(tried)
    plan = Plan(training, what, details, tried, epochs, seeds=4 if settings.full else 1, gradients=True)
    return _both_samplers(plan, "landscape", f"{_TITLE}: landscape of the perceptron", settings, 0.01)


def _mlp(full: bool) -> tuple[Training, str, str]:
    samples = (60_000, 10_000) if full else (5000, 1000)
    problem = MNIST(train_samples=samples[0], test_samples=samples[1]).build()
    what = f"784-200-200-10 on {samples[0]} MNIST images"
    return Training(problem, batch_size=100), what, "ReLU, cross-entropy"


def _cnn(full: bool) -> tuple[Training, str, str]:
    samples = (50_000, 10_000) if full else (5000, 1000)
    problem = CIFAR10Convolutional(train_samples=samples[0], test_samples=samples[1]).build()
    what = f"3 convolutions on {samples[0]} CIFAR-10 images"
    return Training(problem, batch_size=100, momentum=0.9), what, "cross-entropy"


def _ratios(plan: Plan, experiment: str, title: str, settings: Settings) -> Stages:
    plan = changed(plan, settings.changes)
    runs = plan.run(settings)
    rows = (*ratio_rows(plan, runs), *relaxation_row(plan, runs))
    settings.say("drawing")
    yield Reproduction(NAME, experiment, title, rows, figures(runs), _facts(plan))


def _both_samplers(
    plan: Plan, experiment: str, title: str, settings: Settings, linear_up_to: float | None
) -> Stages:
    plan = changed(plan, settings.changes)
    if len(set(plan.rates)) < 3:
        message = f"--set learning_rates: {experiment} draws a line through 3 different ones or more, got {len(set(plan.rates))}"
        raise ConfigError(message)
    runs = {RESHUFFLED: plan.run(settings)}
    rows = (*ratio_rows(plan, runs[RESHUFFLED]), *relaxation_row(plan, runs[RESHUFFLED]))
    drawn = figures(runs[RESHUFFLED])
    yield Reproduction(NAME, experiment, title, rows, drawn, _facts(plan), complete=False)
    settings.say("the same with independent batches, for the squared gradient")
    independent = replace(plan, training=replace(plan.training, sampling=INDEPENDENT))
    runs = {INDEPENDENT: independent.run(settings), **runs}
    found = responses(plan, runs)
    rows = (*rows, *landscape_rows(plan, runs, found, linear_up_to))
    yield Reproduction(NAME, experiment, title, rows, [*drawn, samplers_compared(found)], _facts(plan))


def _facts(plan: Plan) -> tuple[tuple[str, str], ...]:
    training = plan.training
    momentum = f", momentum {training.momentum:g}" if training.momentum else ""
    steps = f"batches of {training.batch_size}, weight decay {training.weight_decay:g}{momentum}"
    return (
        ("Trained here", plan.size),
        ("Training", f"{plan.details}, {steps}"),
        (
            "Learning rates",
            ", ".join(f"{rate:g}" for rate in plan.rates) + ", each from where the last one ended",
        ),
        ("Velocity", "set to 0 when the rate changes" if plan.training.momentum else "none"),
        (
            "Both sides",
            "at every step, about the origin as in the paper, as half-running averages (its Eq. 15)",
        ),
    )
