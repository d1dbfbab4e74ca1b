"""Rows of SGLD against SGWORLD: how hot their stiff modes are, how good their predictions, how well they mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.posterior import Calibration
from thermograd.quantities import Estimate, Verdict
from thermograd.reproductions.reproduction import Row
from thermograd.reproductions.sgworld_samplers import NAMES

Array = npt.NDArray[Any]

_SGLD, _OURS = NAMES["sgld"], NAMES["sgworld"]
_BINS = {"ECE": "expected_calibration_error", "NLL (nats)": "negative_log_likelihood", "Brier": "brier"}
_CLOSE = 0.06
"""What SGWORLD's own leading bias of 4 % and a little more explain."""


def virial_rows(stiff: Mapping[str, Estimate]) -> list[Row]:
    """Virial ratio of the stiffest modes: SGLD is said to be too hot, SGWORLD not.

    Args:
        stiff: name of the sampler -> ratio.
    """
    return [_virial(name, found) for name, found in stiff.items()]


def _virial(name: str, found: Estimate) -> Row:
    quantity = f"virial ratio of the 8 stiffest modes, {name}"
    excess = f"{100 * (found.value - 1):+.2g} % from the posterior"
    if name == _SGLD:
        verdict = Verdict(bool(found.low > 1), "too_hot", f"{excess}, from the noise of the batches")
        return Row(quantity, "above 1", found, verdict)
    if name != _OURS:
        return Row(quantity, "not stated", found, Verdict(None, "not_in_the_paper", excess))
    near = bool(found.low < 1 + _CLOSE and found.high > 1 - _CLOSE)
    return Row(quantity, "near 1", found, Verdict(near, "near_the_posterior", excess))


def calibration_rows(
    calibrations: Mapping[str, Calibration], probabilities: Mapping[str, Array], labels: Array
) -> list[Row]:
    """ECE, NLL and Brier score of SGWORLD, and what SGLD's are more on the same test samples.

    Args:
        calibrations: name of the sampler -> its calibration.
        probabilities: name -> predictive probabilities of each chain, `(chain, n, classes)`.
        labels: what happened, `(n,)`.
    """
    gaps = paired_differences(probabilities[_SGLD], probabilities[_OURS], labels)
    rows = []
    for name, attribute in _BINS.items():
        ours, other = (getattr(calibrations[key], attribute) for key in (_OURS, _SGLD))
        text = f"{_SGLD} has {other.value:.4g} ({other.low:.4g} to {other.high:.4g})"
        if name in gaps:
            text += f"; {_advantage(gaps[name])}"
        found = Estimate(ours.value, ours.interval, ours.level)
        rows.append(
            Row(f"{name} of {_OURS}'s predictions", "not stated", found, Verdict(None, "calibration", text))
        )
    return rows


def _advantage(gap: Estimate) -> str:
    size = f"{gap.value:+.2g} ({gap.low:+.2g} to {gap.high:+.2g}) on the same samples"
    if gap.low > 0:
        return f"an advantage of {_OURS} of {size}"
    if gap.high < 0:
        return f"a disadvantage of {_OURS}: {size}"
    return f"no advantage of {_OURS} is seen: {size}"


def paired_differences(other: Array, ours: Array, labels: Array) -> dict[str, Estimate]:
    """NLL and Brier score of one prediction less those of another, sample by sample, at 95 %.

    The error is that of the test samples and that of the chains, which a jackknife over chains shows.

    Args:
        other: probabilities of each chain, `(chain, n, classes)`.
        ours: the same of what is subtracted.
        labels: `(n,)`.

    >>> sure, unsure = np.tile([0.9, 0.1], (2, 4, 1)), np.tile([0.5, 0.5], (2, 4, 1))
    >>> print(paired_differences(unsure, sure, np.zeros(4, int))["Brier"])  # 0.5 − 0.02
    0.48 (0.48 to 0.48 at 95 %), from 4 pieces
    """
    gaps = _scores(other.mean(axis=0), labels) - _scores(ours.mean(axis=0), labels)
    variance = gaps.var(axis=1, ddof=1) / len(labels)
    for chains in (other, ours):
        count, total = len(chains), chains.sum(axis=0)
        without = np.array([_scores((total - chain) / (count - 1), labels).mean(axis=1) for chain in chains])
        variance = variance + (count - 1) * without.var(axis=0)
    names = ("NLL (nats)", "Brier")
    halves = 1.96 * np.sqrt(variance)
    return {
        name: Estimate(float(mean), (float(mean - half), float(mean + half)), pieces=len(labels))
        for name, mean, half in zip(names, gaps.mean(axis=1), halves, strict=True)
    }


def _scores(probabilities: Array, labels: Array) -> Array:
    """NLL and Brier score of each sample, `(2, n)`."""
    rows = np.arange(len(labels))
    happened = np.zeros_like(probabilities)
    happened[rows, labels] = 1.0
    return np.stack([-np.log(probabilities[rows, labels]), ((probabilities - happened) ** 2).sum(axis=1)])


def mixing_rows(mixing: Mapping[str, tuple[float, float]], slow: str) -> list[Row]:
    """R̂ of the predictions, and how many independent draws a sampler has for the same gradients.

    Args:
        mixing: name of the sampler -> largest R̂ and smallest bulk effective sample size over predictions.
        slow: name of SGLD with steps so small that it is no more biased than SGWORLD.
    """
    rows = []
    for name, (worst, draws) in mixing.items():
        text = f"worst of 20 test digits; {draws:.0f} independent draws"
        if name == slow and _OURS in mixing:
            text += f", where {_OURS} has {mixing[_OURS][1]:.0f} at the same bias and cost"
        holds = Verdict(None, "mixing", text)
        rows.append(Row(f"R̂ of the predictions, {name}", "not stated", f"{worst:.3f}", holds))
    return rows
