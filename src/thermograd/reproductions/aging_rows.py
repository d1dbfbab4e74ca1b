"""Rows on ageing: exponents beside those of the paper, whether they hang on threshold or depth, and what training ends with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.estimators.aging import Aging
from thermograd.quantities import Estimate, Verdict
from thermograd.report.ranking import number_text
from thermograd.reproductions.reproduction import Row

Array = npt.NDArray[Any]

PAPER = Estimate(0.709, (0.692, 0.726), pieces=6, note="0.709 ± 0.017 at Δ* = 1e-3")
"""Mean over six widths on MNIST, with the error the paper gives, whose level it does not say."""


def window(found: Aging) -> str:
    """The waiting times and thresholds an exponent rests on.

    Args:
        found: with an exponent.
    """
    times, (low, high) = np.asarray(found.waiting_times), found.thresholds
    thresholds = f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
    return f"t_w {times.min()} to {times.max()}, Δ* {thresholds}"


def subaging_row(name: str, found: Aging) -> Row:
    """Whether a network ages, and more slowly than in proportion to its age.

    Args:
        name: of the network.
        found: its exponent.
    """
    quantity = f"aging exponent, {name}"
    if found.exponent is None:
        return Row(quantity, "subaging, by eye", "none", Verdict(None, "aging", found.verdict.text))
    holds = {"subaging": True, "undetermined": None}.get(found.outcome, False)
    text = f"{found.outcome}; {window(found)}"
    return Row(
        quantity, "subaging (0 < μ < 1), by eye", _noted(found.exponent), Verdict(holds, "aging", text)
    )


def exponent_row(name: str, exponent: Estimate, rests_on: str) -> Row:
    """An exponent beside that of the paper.

    Args:
        name: of the network.
        exponent: ours.
        rests_on: window and thresholds, in words.
    """
    meets = bool(exponent.low <= PAPER.high and exponent.high >= PAPER.low)
    text = f"{'meets' if meets else 'does not meet'} {PAPER.low} to {PAPER.high}; {rests_on}"
    return Row(
        f"aging exponent, {name}", PAPER.note, _noted(exponent), Verdict(meets, "aging_exponent", text)
    )


def threshold_row(name: str, stable: Aging, everywhere: Aging) -> Row:
    """Whether an exponent hangs on the threshold.

    Args:
        name: of the network.
        stable: of the thresholds between which it does not.
        everywhere: of many thresholds.
    """
    quantity, paper = f"exponent against threshold, {name}", "constant on an interval"
    thresholds, exponents = everywhere.per_threshold.thresholds, everywhere.per_threshold.exponents
    if stable.exponent is None or not len(exponents):
        return Row(quantity, paper, "none", Verdict(None, "threshold", stable.verdict.text))
    shown = np.unique(np.linspace(0, len(exponents) - 1, 5).astype(int))
    ours = ", ".join(f"{exponents[place]:.2f} at {thresholds[place]:.1e}" for place in shown)
    low, high = stable.thresholds
    decades = math.log10(high / low)
    text = (
        f"{stable.exponent.value:.2f} within 0.05 for Δ* from {low:.1e} to {high:.1e}, {decades:.1f} decades"
    )
    below = exponents[thresholds < low]
    if len(below) and below.min() < stable.exponent.value - 0.05:
        text += f"; smaller below, down to {below.min():.2f}"
    holds = len(stable.per_threshold.thresholds) >= 3
    return Row(quantity, paper, ours, Verdict(holds, "threshold", text))


def depth_row(found: Mapping[str, Aging]) -> Row:
    """Whether the exponent is the same for all depths.

    Args:
        found: depth -> its exponent.
    """
    known = {name: entry.exponent for name, entry in found.items() if entry.exponent is not None}
    quantity, paper = "exponents of the depths", "the same for all depths"
    ours = "; ".join(f"{name} {number_text(exponent)}" for name, exponent in known.items())
    if len(known) < 2:
        return Row(quantity, paper, ours or "none", Verdict(None, "depth", "fewer than two exponents"))
    values = np.array([exponent.value for exponent in known.values()])
    low, high = (int(np.argmin(values)), int(np.argmax(values)))
    names, exponents = list(known), list(known.values())
    half = np.hypot(*((exponents[place].high - exponents[place].low) / 2 for place in (low, high)))
    gap = float(values[high] - values[low])
    comparisons = len(known) * (len(known) - 1) // 2
    equal = bool(gap <= _wider(half, comparisons))
    text = f"{names[high]} above {names[low]} by {gap:.2f} ± {half:.2f}"
    text += f", largest of {comparisons} differences" if comparisons > 1 else ""
    return Row(quantity, paper, ours, Verdict(equal, "depth", text))


def _wider(half: float, comparisons: int) -> float:
    """Half a 95 % interval, widened for the largest of several differences (Bonferroni)."""
    normal = -float(stdtrit(1e6, 0.025 / comparisons)) / 1.96
    return float(half) * normal


def ending_row(quantity: str, paper: float, reading: float, values: Array) -> Row:
    """What training ends with, beside a value read off a figure.

    Args:
        quantity: name with unit.
        paper: read off.
        reading: how far that may be from what the paper means, other data included.
        values: of the trajectories at the end, `(trajectory,)`.
    """
    ours = mean_of(values)
    meets = bool(ours.low <= paper + reading and ours.high >= paper - reading)
    text = (
        f"{'meets' if meets else 'does not meet'} {paper - reading:g} to {paper + reading:g}, on other data"
    )
    return Row(quantity, f"≈ {paper:g}", ours, Verdict(meets, "end_of_training", text))


def order_row(quantity: str, paper: Mapping[str, float], ours: Mapping[str, Estimate]) -> Row:
    """Whether numbers come in the order of the paper's.

    Args:
        quantity: name with unit.
        paper: name -> value.
        ours: the same names -> value.
    """
    rising = sorted(paper, key=lambda name: paper[name])
    steps = [(ours[low], ours[high]) for low, high in pairwise(rising)]
    apart = [bool(above.low > below.high) for below, above in steps]
    against = any(above.high < below.low for below, above in steps)
    holds = True if all(apart) else False if against else None
    text = "only the order is judged: the paper does not say which gradient, and its data are others"
    said = ", ".join(f"{value:g} ({name})" for name, value in paper.items())
    found = "; ".join(f"{name} {number_text(value)}" for name, value in ours.items())
    return Row(quantity, said, found, Verdict(holds, "order", text))


def negative_row(name: str, early: Array, late: Array) -> Row:
    """Whether the share of negative eigenvalues falls and does not vanish, by a sign test over trajectories.

    Args:
        name: of the network.
        early: shares at the start, `(trajectory,)`.
        late: at the end.
    """
    fell, moved = int((late < early).sum()), int((late != early).sum())
    chance = sum(math.comb(moved, k) for k in range(fell, moved + 1)) / 2**moved
    left = mean_of(late)
    holds: bool | None = bool(left.value > 0) if chance < 0.05 else None
    if moved and fell < moved / 2:
        holds = False
    text = f"fell in {fell} of {moved} trajectories (by chance {chance:.2g}), from {mean_of(early).value:.2f} on average"
    return Row(
        f"share of negative eigenvalues at the end, {name}",
        "falls, never vanishes",
        left,
        Verdict(holds, "negative_eigenvalues", text),
    )


def mean_of(values: Array, level: float = 0.95) -> Estimate:
    """Mean over independent trajectories with Student's interval.

    Args:
        values: `(trajectory,)`.
        level: of the interval.

    >>> print(mean_of(np.array([1.0, 2.0, 3.0])))  # 2 ± 4.30/√3
    2 (-0.4841 to 4.484 at 95 %), from 3 pieces
    """
    count = len(values)
    half = -float(stdtrit(count - 1, (1 - level) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    mean = float(np.mean(values))
    return Estimate(mean, (mean - half, mean + half), level, pieces=count)


def _noted(estimate: Estimate) -> Estimate:
    """Without its samples and with its note, for a table."""
    return Estimate(estimate.value, estimate.interval, estimate.level, estimate.pieces, note=estimate.note)
