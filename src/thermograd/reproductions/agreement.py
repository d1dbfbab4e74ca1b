"""Whether a prediction agrees with what was measured: the verdicts of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from thermograd.estimators.first_passage import FirstPassageTimes, Plateau, restarted_times, restricted_mean
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Prediction, Verdict
from thermograd.report.ranking import number_text
from thermograd.reproductions.reproduction import Row

_FOUR_SIGMA = math.erf(4 / math.sqrt(2))  # level of an interval of 4 standard errors on both sides


def at_interval(prediction: Prediction, interval: int) -> Estimate:
    """One point of a predicted curve, with its resamples.

    >>> curve = Prediction(np.array([4.0, 5.0]), at=np.array([1, 2]), samples=np.array([[3.0, 5.0], [5.0, 5.0]]))
    >>> print(at_interval(curve, 1))
    4 (3 to 5 at 95 %)
    """
    place = int(np.flatnonzero(np.asarray(prediction.at) == interval)[0])
    value = float(np.asarray(prediction.value)[place])
    if prediction.samples is None:
        return Estimate(value, (value, value))
    samples = prediction.samples[:, place]
    low, high = percentile_interval(samples)
    return Estimate(value, (float(low), float(high)), samples=samples)


def where_it_claims_to_hold(prediction: Prediction, relaxed: Verdict, plateau: Plateau | None) -> Prediction:
    """Eq. 9 with the range that the evidence at hand gives it.

    Survivors that have relaxed are enough; where they have not, a plateau that is not rejected is, from its
    first interval on. One that is constant within 30 % only is not.

    Args:
        prediction: Eq. 9.
        relaxed: whether the survivors have relaxed.
        plateau: the residual times at several intervals, if there are any.

    Returns:
        The same curve.
    """
    if relaxed.holds is True or plateau is None or plateau.verdict.kind != "plateau":
        return prediction
    return replace(prediction, valid=np.asarray(prediction.at) >= min(plateau.intervals))


def difference(measured: Estimate, predicted: Estimate, comparisons: int = 1) -> Estimate:
    """Measured minus predicted, of independent resamples, at a level of 95 % over all comparisons (Bonferroni).

    Args:
        measured: with resamples.
        predicted: with resamples.
        comparisons: how many differences are looked at together.

    Returns:
        The difference with its interval.
    """
    one, other = np.asarray(measured.samples), np.asarray(predicted.samples)
    count = min(len(one), len(other))
    level = 1 - 0.05 / comparisons
    low, high = percentile_interval(one[:count] - other[:count], level)
    return Estimate(float(measured.value - predicted.value), (float(low), float(high)), level)


def brute_force_rows(
    name: str,
    prediction: Prediction,
    tried: Mapping[int, FirstPassageTimes],
    equation: str,
    comparisons: int | None = None,
) -> list[Row]:
    """One row per interval: the predicted mean first-passage time beside that of runs really perturbed so often.

    Where the prediction does not claim to hold, or runs never arrived, the row stays open, unless what is known
    of the measured mean already lies above the prediction's interval.

    Args:
        name: of the perturbation.
        prediction: the curve, `valid` where its assumptions hold.
        tried: interval -> first-passage times of independent runs.
        equation: which one predicts, for the row's name.
        comparisons: how many rows are looked at together, that 95 % hold for all; default those given here.

    Returns:
        The rows, by interval.
    """
    known = [interval for interval in sorted(tried) if interval in np.asarray(prediction.at)]
    together = comparisons or len(known)
    return [_row(name, prediction, interval, tried[interval], equation, together) for interval in known]


def renewal_rows(passages: FirstPassageTimes, curve: Prediction, intervals: Iterable[int]) -> list[Row]:
    """Eq. 5 against restarts drawn from the recorded times, within 4 standard errors of the drawing.

    Args:
        passages: first-passage times of the unperturbed runs.
        curve: Eq. 5 from the same runs.
        intervals: when to restart.

    Returns:
        One row per interval; a true Eq. 5 fails in 1 of 15 000.
    """
    rows = []
    for interval in intervals:
        drawn = restarted_times(passages, interval)
        mean, predicted = float(drawn.time.mean()), float(at_interval(curve, interval).value)
        error = float(drawn.time.std() / np.sqrt(len(drawn)))
        found = Estimate(mean, (mean - 4 * error, mean + 4 * error), _FOUR_SIGMA, note=f"{len(drawn)} draws")
        off = found.z_score(predicted)
        text = (
            f"Eq. 5 gives {predicted:.2f}; the drawn mean is {off:+.1f} standard errors from it (4 allowed)"
        )
        rows.append(
            Row(
                f"mean {passages.unit}s, restarts drawn every {interval} {passages.unit}s",
                "as Eq. 5",
                found,
                Verdict(abs(off) <= 4, "renewal_resampling", text),
            )
        )
    return rows


def _row(
    name: str,
    prediction: Prediction,
    interval: int,
    arrived: FirstPassageTimes,
    equation: str,
    comparisons: int,
) -> Row:
    predicted, measured = at_interval(prediction, interval), restricted_mean(arrived)
    unit = arrived.unit
    text = f"{equation} predicts {number_text(predicted)}"
    off = difference(measured, predicted, comparisons)
    missing = int((~arrived.reached).sum())
    place = int(np.flatnonzero(np.asarray(prediction.at) == interval)[0])
    covered = prediction.valid is None or bool(np.asarray(prediction.valid)[place])
    holds: bool | None = bool(off.low <= 0.0 <= off.high)
    if not covered:
        holds = None
        text += f", {100 * (predicted.value / measured.value - 1):+.2g} %, where it does not claim to hold"
    elif missing:
        holds = False if off.low > 0.0 else None
        text += f"; {missing} of {len(arrived)} runs never arrived, so what is measured is a lower bound"
    text += f" (measured minus predicted {number_text(off)})"
    return Row(
        f"mean {unit}s, {name} every {interval} {unit}s",
        f"as {equation}",
        Estimate(measured.value, measured.interval, note=f"from {len(arrived)} runs"),
        Verdict(holds, "prediction_against_brute_force", text, {"interval": interval}),
    )
