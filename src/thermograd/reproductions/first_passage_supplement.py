"""The supplement's trainings: CIFAR-100 with and without momentum, and phase retrieval, from recorded runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import restricted_mean
from thermograd.problems.data_folder import found_files
from thermograd.quantities import Estimate, Verdict
from thermograd.report.ranking import number_text
from thermograd.reproductions.agreement import brute_force_rows
from thermograd.reproductions.recorded_training import (
    FOLDER,
    KICK,
    RecordedTraining,
    percent,
    plateau_row,
    recorded,
)
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages

MOMENTUM_FILE = "cifar100_resnet18_momentum0.9_shrink_perturb.npz"
PLAIN_FILE = "cifar100_resnet18_shrink_perturb.npz"
PHASE_FILE = "mnist_phase_retrieval_fc_adam_shrink_perturb.npz"
_PHASE_INTERVALS = (10, 15, 20, 40, 60, 80, 100, 120)


def cifar100_momentum(settings: Settings) -> Stages:
    """ResNet-18 with momentum 0.9 on CIFAR-100, target 55 %.

    Args:
        settings: nothing but `say` is used.

    Returns:
        The rows alone, then the same with the figures.
    """
    training = _accuracies(MOMENTUM_FILE, 55.0)
    return _stages(
        "cifar100-momentum", "First passage: ResNet-18 with momentum on CIFAR-100", training, settings
    )


def cifar100(settings: Settings) -> Stages:
    """ResNet-18 without momentum on CIFAR-100; its file is not among the data given and has to be supplied.

    Args:
        settings: nothing but `say` is used.

    Returns:
        The rows alone, then the same with the figures.
    """
    training = _accuracies(PLAIN_FILE, None)
    return _stages("cifar100", "First passage: ResNet-18 on CIFAR-100", training, settings)


def phase_retrieval(settings: Settings) -> Stages:
    """A network that retrieves MNIST images from Fourier magnitudes, Adam, test loss at most 0.4.

    Args:
        settings: nothing but `say` is used.

    Returns:
        The rows alone, then the same with the figures.
    """
    names = ["unperturbed_test_loss", *(f"P{interval}_test_loss" for interval in _PHASE_INTERVALS)]
    plain, *kicked = (np.asarray(values, np.float64) for values in recorded(PHASE_FILE, *names))
    training = RecordedTraining(
        plain,
        dict(zip(_PHASE_INTERVALS, kicked, strict=True)),
        target=0.4,
        direction="down",
        measured_at=120,
        window=(31, 150),
        quantity="test loss (per sample)",
    )
    return _stages("phase-retrieval", "First passage: phase retrieval of MNIST", training, settings)


def table(training: RecordedTraining) -> Iterator[Row]:
    """The rows: who arrives, whether the survivors settle, the plateau, its breakdown, Eq. 9 and brute force.

    Args:
        training: the recorded runs.

    Yields:
        One row after the other.
    """
    passages = training.passages
    new = Verdict(None, "not_in_the_paper", "the paper does not state it; for comparison with other targets")
    yield Row("unperturbed runs that arrived", "not stated", str(passages), new)
    yield Row(
        "mean first-passage time, unperturbed, at least (epochs)",
        "not stated",
        restricted_mean(passages),
        new,
    )
    yield _settles(training)
    yield _plateau(training)
    yield plateau_row(training)
    short = [interval for interval in training.residuals if interval not in training.plateau.intervals]
    for interval in short:
        yield _too_short(training, interval)
    yield from brute_force_rows(KICK, training.prediction, training.tried, "Eq. 9")


def _settles(training: RecordedTraining) -> Row:
    """Whether the survivors are quasi-steady, which the plateau does not need."""
    steady = training.steady
    inside = (steady.time >= steady.window[0]) & (steady.time <= steady.window[1])
    passed = int((steady.p_value[inside] > 0.05).sum())
    text = (
        "quasi-steadiness is sufficient for a plateau, not necessary: the plateau below is what Eq. 9 needs"
    )
    ours = f"p > 0.05 in {passed} of {int(inside.sum())} epochs from {steady.window[0]} on"
    return Row(
        "survivors quasi-steady by the K–S test", "not stated", ours, Verdict(None, "not_in_the_paper", text)
    )


def _plateau(training: RecordedTraining) -> Row:
    mean = training.plateau.mean
    least, most = min(training.plateau.intervals), max(training.plateau.intervals)
    text = f"{number_text(mean.value - 1)} counting from 0"
    shown = Estimate(mean.value, mean.interval, note=f"mean over P = {least} to {most}")
    return Row(
        "mean residual time on the plateau (epochs)",
        "read off a figure",
        shown,
        Verdict(None, "not_stated", text),
    )


def _too_short(training: RecordedTraining, interval: int) -> Row:
    """Below its own residual time the next kick comes before the run has recovered: Eq. 9 must fail there."""
    found, plateau = training.residuals[interval], training.plateau.mean
    fails = bool(found.low > plateau.high)
    times = number_text(float(found.value / plateau.value))
    reason = "the next perturbation comes too soon" if fails else "not longer than on the plateau"
    text = f"{times} times the plateau: {reason}"
    verdict = Verdict(fails if found.value > interval + 1 else None, "breaks_down", text)
    return Row(f"mean residual time at P = {interval} (epochs)", "longer below the plateau", found, verdict)


def _stages(experiment: str, title: str, training: RecordedTraining, settings: Settings) -> Stages:
    settings.say(
        f"{len(training.unperturbed)} unperturbed runs, perturbed ones at {len(training.perturbed)} intervals"
    )
    parts = ("first_passage", experiment, title, tuple(table(training)))
    yield Reproduction(*parts, facts=training.facts(), complete=False)
    settings.say("drawing")
    used = list(training.plateau.intervals)
    shown = [used[place] for place in sorted({0, len(used) // 3, 2 * len(used) // 3, len(used) - 1})]
    yield Reproduction(*parts, training.figures(shown, 20), training.facts())


def _accuracies(file: str, target: float | None) -> RecordedTraining:
    """A file with `unperturbed_test_acc_x100` and `P<k>_test_acc_x100`, and `target` (per cent) if it is not known."""
    (path,) = found_files(FOLDER, [[file]])
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
    intervals = sorted(
        int(found[1]) for name in names if (found := re.fullmatch(r"P(\d+)_test_acc_x100", name))
    )
    if not intervals:
        message = f"{path} holds no array P<interval>_test_acc_x100; it holds: {', '.join(names)}"
        raise ConfigError(message)
    plain, *kicked = recorded(
        file, "unperturbed_test_acc_x100", *(f"P{interval}_test_acc_x100" for interval in intervals)
    )
    goal = float(recorded(file, "target")[0]) if target is None else target
    half = plain.shape[1] // 2
    return RecordedTraining(
        percent(plain),
        {interval: percent(values) for interval, values in zip(intervals, kicked, strict=True)},
        target=goal,
        direction="up",
        measured_at=max(interval for interval in intervals if interval <= half),
        window=(1 + plain.shape[1] // 5, plain.shape[1]),
        quantity="test accuracy (%)",
    )
