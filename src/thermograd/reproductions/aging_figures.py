"""The drawings of ageing ensembles, in the order of the paper's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from thermograd.estimators import aging
from thermograd.report.aging_collapse import aging_collapse
from thermograd.report.aging_exponents import exponent_against_threshold
from thermograd.report.aging_long_lags import curve_spread, diffusion_against_age
from thermograd.report.characteristic_times import characteristic_times
from thermograd.report.figure import Figure
from thermograd.report.gradient_norms import gradient_norms
from thermograd.report.learning_curves import LearningCurve, learning_curves
from thermograd.report.negative_fraction import negative_fraction
from thermograd.report.sorted_spectrum import sorted_spectrum
from thermograd.report.spectrum_boxes import spectrum_boxes
from thermograd.report.two_time_displacement import two_time_displacement
from thermograd.reproductions.aging_training import THRESHOLD, Trained

_SPECTRA = 4
"""Trajectories whose eigenvalues are drawn one by one."""


def ageing_figures(done: Sequence[Trained]) -> tuple[Figure, ...]:
    """Loss and accuracy, displacements, characteristic times, what the exponents rest on, long lags.

    Args:
        done: ensembles to compare.
    """
    found = {entry.name: (entry.table, entry.at_threshold) for entry in done}
    return (
        *_learning(done),
        *(
            _of(entry, two_time_displacement(entry.table, thresholds=_stable(entry), what=entry.name))
            for entry in done
        ),
        characteristic_times(found, threshold=THRESHOLD),
        *(
            _of(
                entry, exponent_against_threshold(entry.per_threshold, stable=_stable(entry), what=entry.name)
            )
            for entry in done
        ),
        *(_of(entry, aging_collapse(entry.table, entry.stable, what=entry.name)) for entry in done),
        *(_of(entry, figure) for entry in done for figure in _long_lags(entry)),
    )


def _of(entry: Trained, figure: Figure) -> Figure:
    """The figure of one network among several, with a name of its own."""
    return replace(figure, name=f"{figure.name}_{entry.name.replace(' ', '_').replace('-', '_')}")


def _learning(done: Sequence[Trained]) -> tuple[Figure, Figure]:
    losses, accuracies = {}, {}
    for entry in done:
        steps, loss = entry.run.times("train_loss"), entry.run["train_loss"]
        losses[entry.name] = LearningCurve(steps, loss, aging.learning_phases(steps, loss))
        accuracies[entry.name] = LearningCurve(entry.run.times("train_accuracy"), entry.run["train_accuracy"])
    return (
        learning_curves(losses, quantity="training loss"),
        learning_curves(accuracies, quantity="training accuracy", rising=True),
    )


def _stable(entry: Trained) -> tuple[float, float] | None:
    return None if entry.stable.exponent is None else entry.stable.thresholds


def _long_lags(entry: Trained) -> tuple[Figure, Figure]:
    ranges = {
        "lags up to a tenth of the age": aging.diffusion(entry.table, lags="short"),
        "lags beyond the age": aging.diffusion(entry.table, lags="long"),
    }
    spread = aging.curve_spread(entry.table)
    return diffusion_against_age(ranges, what=entry.name), curve_spread(spread, what=entry.name)


def curvature_figures(done: Sequence[Trained], record: str) -> tuple[Figure, ...]:
    """Spectra against time, at the start and at the end, and the share of their negative part.

    Args:
        done: ensembles to compare.
        record: name of their `HessianSpectrum`.
    """
    drawn: list[Figure] = []
    shares = {}
    for entry in done:
        steps, spectra = entry.run.times(f"{record}/eigenvalues"), entry.run[f"{record}/eigenvalues"]
        by_step = {int(step): spectra[:_SPECTRA, place] for place, step in enumerate(steps)}
        shown = f"{entry.name}, {min(_SPECTRA, len(spectra))} of {len(spectra)} trajectories"
        ends = {f"step {step}": by_step[int(step)] for step in (steps[0], steps[-1])}
        drawn += [
            _of(entry, spectrum_boxes(by_step, what=shown)),
            _of(entry, sorted_spectrum(ends, what=shown)),
        ]
        shares[entry.name] = (steps, entry.run[f"{record}/negative_fraction"])
    return (*drawn, negative_fraction(shares))


def gradient_figure(done: Sequence[Trained], record: str, which: str, since: int) -> Figure:
    """Gradient norms against time.

    Args:
        done: ensembles to compare.
        record: name of their `GradientNorm`.
        which: gradient it is, in words.
        since: the step from which on root mean squares are taken.
    """
    series: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = {
        entry.name: (entry.run.times(record), entry.run[record]) for entry in done
    }
    return gradient_norms(series, since=since, which=which)
