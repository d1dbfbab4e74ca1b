"""Rows of the stationary state: a prediction of 1, or of a number, beside a measured one with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.stationary_state import (
    detailed_fluctuation,
    detailed_fluctuation_curve,
    entropy_production,
    integral_fluctuation,
    trajectory_entropy,
)
from thermograd.quantities import Estimate, Verdict
from thermograd.report.entropy_of_windows import detailed_theorem, entropy_growth, integral_theorem
from thermograd.report.figure import Figure
from thermograd.report.theory_beside_simulation import Elements
from thermograd.reproductions.reproduction import Row
from thermograd.reproductions.stationary_state_simulation import LEVEL, WINDOW, Simulated

Array = npt.NDArray[Any]

FEW = 100
CLOSE = 0.05
"""A deviation that a figure of the paper could not show."""


def agreement(measured: Estimate, expected: float, resolved: float = 0.25) -> Verdict:
    """Whether a measured number is the expected one.

    Args:
        measured: with its interval.
        expected: what theory says.
        resolved: half width of the interval, over the expected number, beyond which nothing can be said.

    Returns:
        True if the interval holds the number, or lies within 5 % of it; None if the interval is too wide to tell.

    >>> agreement(Estimate(1.01, (0.99, 1.03)), 1.0).holds, agreement(Estimate(1.2, (0.2, 2.2)), 1.0).holds
    (True, None)
    >>> agreement(Estimate(1.2, (1.1, 1.3)), 1.0).holds, agreement(Estimate(1.02, (1.01, 1.03)), 1.0).holds
    (False, True)
    """
    scale = abs(expected) or 1.0
    half = (measured.high - measured.low) / 2
    covered = bool(measured.low <= expected <= measured.high)
    near = max(abs(measured.low - expected), abs(measured.high - expected)) <= CLOSE * scale
    wide = half > resolved * scale
    deviation = (measured.value - expected) / scale
    text = f"theory {expected:.4g}; measured {100 * deviation:+.2g} % from it"
    if near:
        return Verdict(True, "theory_and_simulation", text)
    if wide:
        return Verdict(None, "theory_and_simulation", f"{text}; not resolved by a simulation of this size")
    return Verdict(covered, "theory_and_simulation", text)


def ratio_row(quantity: str, paper: str, measured: Estimate, more: str = "") -> Row:
    """A row for a measured quantity over the predicted one.

    Args:
        quantity: what it is.
        paper: what the paper says.
        measured: over predicted.
        more: a sentence to add to the verdict.
    """
    verdict = agreement(measured, 1.0)
    if more:
        verdict = Verdict(verdict.holds, verdict.kind, f"{verdict.text}. {more}")
    return Row(f"{quantity}, measured over predicted", paper, measured, verdict)


def fluctuation_rows(simulated: Simulated, name: str, centre: Array) -> tuple[list[Row], list[Figure]]:
    """Integral and detailed fluctuation theorem for windows of 1 to 3 updates, and their mean entropy.

    Args:
        simulated: the ensemble.
        name: of the dynamics.
        centre: from which the entropy force counts.

    Returns:
        Rows and the three figures.
    """
    force, production = simulated.state.entropy_force, simulated.state.entropy_production
    assert force is not None  # predicted without momentum
    assert production is not None
    trajectories, size = len(simulated.points), simulated.points.shape[-1]
    windows = simulated.points.reshape(-1, WINDOW + 1, size)
    sigma = {
        length: trajectory_entropy(windows, force, length=length, centre=centre).reshape(trajectories, -1)
        for length in range(1, WINDOW + 1)
    }
    averages = {length: integral_fluctuation(values, level=LEVEL) for length, values in sigma.items()}
    growth = {
        length: entropy_production(values, length=length, level=LEVEL) for length, values in sigma.items()
    }
    rows = [
        Row(
            f"⟨exp(−σ)⟩ of {length} update{'s' * (length > 1)}, {name}",
            "1 within 2e-4",
            average,
            _near_one(average),
        )
        for length, average in averages.items()
    ]
    curves, slopes = {}, {}
    for length, values in sigma.items():
        row = slope_row(f"slope of ln P(−σ)/P(σ), windows of {length}, {name}", "−1", values)
        rows.append(row)
        if isinstance(row.ours, Estimate):
            slopes[length], curves[length] = row.ours, detailed_fluctuation_curve(values, level=LEVEL)
    figures = [integral_theorem(sigma, averages), entropy_growth(growth, production)]
    if slopes:
        figures.insert(1, detailed_theorem(curves, slopes))
    return rows, figures


def entropy_of_single_updates(simulated: Simulated, centre: Array) -> Array:
    """σ of every stored update, `(trajectory, update)`.

    Args:
        simulated: the ensemble.
        centre: from which the entropy force counts.
    """
    force = simulated.state.entropy_force
    assert force is not None  # predicted without momentum
    windows = simulated.points.reshape(-1, WINDOW + 1, simulated.points.shape[-1])
    return trajectory_entropy(windows, force, centre=centre).reshape(len(simulated.points), -1)


def slope_row(quantity: str, paper: str, sigma: Array, verdict: Verdict | None = None) -> Row:
    """A row for the slope of the detailed fluctuation theorem.

    Args:
        quantity: its name.
        paper: what the paper says.
        sigma: of windows.
        verdict: in place of that on a slope of −1.
    """
    negative = int((sigma < 0).sum())
    if negative < FEW:
        text = f"σ was below 0 in {negative} windows only, {FEW} are needed to tell"
        return Row(quantity, paper, "not measured", Verdict(None, "not_sampled", text))
    slope = detailed_fluctuation(sigma, level=LEVEL)
    return Row(quantity, paper, slope, verdict or agreement(slope, -1.0))


def elements_of(
    name: str, predicted: Array, measured: Estimate, covariance: Array, *, diagonal: bool
) -> Elements:
    """Elements of a matrix over the predicted standard deviations of their two coordinates.

    Args:
        name: of the dynamics.
        predicted: `(N, N)`.
        measured: `(N, N)`.
        covariance: predicted Σ.
        diagonal: whether the diagonal belongs to it.
    """
    spread = np.sqrt(np.diagonal(covariance))
    scale = np.outer(spread, spread)
    chosen = np.triu_indices(len(spread), 0 if diagonal else 1)
    known = scale[chosen] > 0
    values = [
        (np.asarray(part)[chosen] / np.where(known, scale[chosen], 1.0))[known]
        for part in (predicted, measured.value, measured.low, measured.high)
    ]
    return Elements(name, *values)


def _near_one(average: Estimate) -> Verdict:
    half = (average.high - average.low) / 2
    covered = bool(average.low <= 1 <= average.high)
    text = f"{average.value - 1:+.1e} from 1, interval ±{half:.1e}"
    if "tail not sampled" in average.note:
        return Verdict(None, "integral_theorem", f"{text}; the tail of exp(−σ) is not sampled")
    return Verdict(covered, "integral_theorem", text)


def not_in_the_paper(text: str) -> Verdict:
    """The verdict on what the paper does not say."""
    return Verdict(None, "not_in_the_paper", text)
