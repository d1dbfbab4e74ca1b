"""CIFAR-10 with a ResNet-18, 1000 recorded runs: the main text of the first-passage paper, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    first_passage_times,
    mean_first_passage_time,
    quasi_steady_state,
    relaxation_time,
    restricted_mean,
)
from thermograd.quantities import Estimate, Verdict
from thermograd.report.ranking import number_text
from thermograd.reproductions.agreement import at_interval, brute_force_rows, renewal_rows
from thermograd.reproductions.recorded_training import (
    KICK,
    RecordedTraining,
    percent,
    plateau_row,
    recorded,
)
from thermograd.reproductions.reproduction import Reproduction, Row, Settings, Stages
from thermograd.theory.first_passage import best_interval, perturbed_mean, restart_mean

WINDOW = (21, 101)
RELAXATION = {75.0: 17, 72.0: 28, 71.5: 26}
"""Target in per cent -> the paper's relaxation time, which counts from 0."""
PUBLISHED = {"predicted": 16.0, "measured": 21.0, "restarts": 3.0}
"""The paper's speed-ups."""
_INTERVALS = (2, 5, 10, 30, 100)
_RENEWALS = (18, 20, 30, 50, 100)


def reproduce(settings: Settings) -> Stages:
    """The table, then the figures.

    Args:
        settings: nothing but `say` is used.

    Yields:
        The rows alone, then the same with the figures.
    """
    settings.say("reading 1000 unperturbed and 882 perturbed runs of ResNet-18 on CIFAR-10")
    training = load()
    rows = tuple(table(training))
    title = "First passage: ResNet-18 on CIFAR-10, target 72 %"
    parts = ("first_passage", "cifar10", title, rows)
    yield Reproduction(*parts, facts=training.facts(), complete=False)
    settings.say("drawing")
    yield Reproduction(*parts, training.figures([5, 10, 30, 100], 30), training.facts())


def load() -> RecordedTraining:
    """The recorded runs."""
    halves = [
        recorded(f"cifar10_resnet18_unperturbed_seeds{seeds}.npz", "test_acc_x100")[0]
        for seeds in ("0-499", "500-999")
    ]
    kicked = recorded("cifar10_resnet18_shrink_perturb_dev.npz", *(f"P{interval}" for interval in _INTERVALS))
    return RecordedTraining(
        percent(np.concatenate(halves)),
        {interval: percent(values) for interval, values in zip(_INTERVALS, kicked, strict=True)},
        target=72.0,
        direction="up",
        measured_at=100,
        window=WINDOW,
        quantity="test accuracy (%)",
    )


def table(training: RecordedTraining) -> Iterator[Row]:
    """The rows, in the order of the paper.

    Args:
        training: the recorded runs.

    Yields:
        One row after the other.
    """
    yield from _relaxation(training)
    yield from _residual(training)
    yield from brute_force_rows(KICK, training.prediction, training.tried, "Eq. 9")
    yield from _best(training)
    yield from _speed_ups(training)
    yield from renewal_rows(training.passages, restart_mean(training.evidence.survival), _RENEWALS)


def _relaxation(training: RecordedTraining) -> Iterator[Row]:
    """t_r at three targets by the paper's criterion, which must come out exactly, and by ours."""
    for target, published in RELAXATION.items():
        passages = first_passage_times(training.unperturbed, target)
        steady = quasi_steady_state(training.unperturbed, passages, window=training.window)
        at = float(steady.time[np.flatnonzero(steady.p_value > 0.05)[0]])
        found = relaxation_time(steady, criterion="kolmogorov_smirnov")
        interval = found.interval if isinstance(found, Estimate) else (float("nan"), float("nan"))
        same = int(at) - 1 == published
        again = steady.rejected_fraction
        where = f"in {100 * again:.2g} % of" if again else "nowhere in"
        text = f"{'the same' if same else 'another'} number from the same runs; the test then rejects {where} the window"
        yield Row(
            f"relaxation time by the K–S test, target {target:g} % (epochs)",
            str(published),
            Estimate(at, interval, 0.9, note=f"{at - 1:g} counting from 0, as the paper does"),
            Verdict(same, "same_number", text, {"rejected_fraction": again}),
        )
        ours = relaxation_time(steady)
        text = "our criterion, less dependent on the number of runs"
        yield Row(
            f"relaxation time by distance 0.1, target {target:g} % (epochs)",
            "not stated",
            ours if isinstance(ours, Estimate) else ours.text,
            Verdict(None, "not_in_the_paper", text),
        )


def _residual(training: RecordedTraining) -> Iterator[Row]:
    found = training.plateau
    mean = found.mean
    low, high = float(mean.low) - 1, float(mean.high) - 1
    near = low < 3.5 and high >= 2.5
    text = f"{mean.value - 1:.2f} ({low:.2f}–{high:.2f}) counting from 0 {'rounds' if near else 'does not round'} to 3"
    note = f"mean over {', '.join(f'P = {interval}' for interval in found.intervals)}"
    shown = Estimate(mean.value, mean.interval, note=note)
    yield Row(
        "mean residual time, shrink and perturb (epochs)", "~3", shown, Verdict(near, "rounds_to", text)
    )
    yield Row(
        "mean residual time, partial reset (epochs)",
        "~5",
        "–",
        Verdict(None, "not_in_the_data", "not in the data given: no runs with a partial reset were recorded"),
    )
    yield plateau_row(training)


def _best(training: RecordedTraining) -> Iterator[Row]:
    """Eq. 9 has no minimum of its own here: its mean falls with P down to wherever P is allowed to go."""
    curve = training.prediction
    value, at = np.asarray(curve.value), np.asarray(curve.at)
    residual = float(training.evidence.measured[KICK].residual.value)
    allowed = at >= residual
    place = int(np.argmin(np.where(allowed, value, np.inf)))
    tried = {interval: float(times.time.mean()) for interval, times in training.tried.items()}
    quickest = min(tried, key=lambda interval: tried[interval])
    rises = bool((np.diff(value[allowed][:10]) > 0).all())
    text = (
        f"the predicted mean {'rises with P from there on' if rises else 'is smallest there'}, so the best P is the "
        f"shortest that is allowed, P ≥ residual time ({residual:.3g} ours, {residual - 1:.3g} counting from 0); of the "
        f"recorded intervals P = {quickest} arrives first"
    )
    yield Row(
        "best interval, shrink and perturb (epochs)",
        "3",
        f"{at[place]} where P ≥ residual time",
        Verdict(None, "edge_of_the_range", text),
    )


def _speed_ups(training: RecordedTraining) -> Iterator[Row]:
    survival = training.evidence.survival
    residual = training.evidence.measured[KICK].residual
    at_three = at_interval(perturbed_mean(survival, residual, [3]), 3)
    yield _speed_up(training.passages, "Eq. 9, shrink and perturb every 3 epochs", "predicted", at_three)
    shortest = min(training.tried)
    measured = mean_first_passage_time(training.tried[shortest])
    yield _speed_up(
        training.passages, f"measured, shrink and perturb every {shortest} epochs", "measured", measured
    )
    restarts = restart_mean(survival)
    best = best_interval(restarts)
    near = bool(best.low <= 20 <= best.high) or abs(float(best.value) - 20) <= 2
    level = at_interval(restarts, 20).value / at_interval(restarts, int(best.value)).value - 1
    text = f"at P = 20 the mean is {100 * level:.2g} % above that at the best P"
    yield Row("best interval of restarts (epochs)", "~20", best, Verdict(near, "near", text))
    yield _speed_up(
        training.passages, "restarts at the best P, Eq. 5", "restarts", at_interval(restarts, int(best.value))
    )
    yield _mean(training.passages)


def _speed_up(passages: FirstPassageTimes, what: str, kind: str, mean: Estimate) -> Row:
    """A published speed-up as the mean time of unperturbed training that it implies; counting from 0 is the paper's."""
    published, ours = PUBLISHED[kind], float(mean.value)
    restricted, tail = float(restricted_mean(passages).value), float(extrapolated_mean(passages).value)
    implied = published * (ours - 1)
    text = (
        f"depends on E[T], which the paper does not state: {published:g} × {ours - 1:.3g} epochs imply {implied:.0f}; "
        f"{100 * passages.censored_fraction:.0f} % of the runs never arrived, so these data give at least "
        f"{restricted - 1:.0f}, and {tail - 1:.0f} if the tail is exponential"
    )
    evidence = {"implied": implied, "at_least": restricted / ours, "extrapolated": tail / ours}
    shown = (
        f"≥ {number_text(restricted / ours)} ({number_text((restricted - 1) / (ours - 1))} counting from 0); "
        f"{number_text(tail / ours)} if the tail is exponential"
    )
    return Row(
        f"speed-up, {what}", f"~{published:g}", shown, Verdict(None, "depends_on_the_mean", text, evidence)
    )


def _mean(passages: FirstPassageTimes) -> Row:
    """One exponential through everything, as the paper's numbers suggest, against what the tail says."""
    arrived = int(passages.reached.sum())
    single = float(passages.time.sum() - len(passages)) / arrived
    tails = [extrapolated_mean(passages, tail_start=start) for start in (50, 100, 150)]
    values = [float(tail.value) for tail in tails]
    text = (
        f"a single exponential fitted to all runs gives {single:.0f} counting from 0, near what the paper's speed-ups "
        f"imply; the tail contradicts it: {min(values):.0f}–{max(values):.0f}, depending on where it begins. Rankings "
        "and the best interval do not depend on it"
    )
    note = f"{number_text(tails[1])} if the tail from 100 is exponential"
    shown = restricted_mean(passages)
    return Row(
        "mean first-passage time, unperturbed, at least (epochs)",
        "not stated",
        Estimate(shown.value, shown.interval, note=note),
        Verdict(None, "not_in_the_paper", text, {"single_exponential": single, "tails": values}),
    )
