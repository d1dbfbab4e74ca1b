"""Whether the mean residual time is the same at every interval: the plateau that Eq. 9 needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtri

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]

_SIGNIFICANCE = 0.05
_TOLERANCE = 0.3
_LEVEL = 0.95


class Homogeneity(NamedTuple):
    """Test of one common mean.

    Attributes:
        chi_square: sum of squared deviations from the weighted mean, in standard errors.
        p_value: probability of at least that under one common mean; NaN with fewer than two intervals.

    >>> four = Estimate(4.0, (2.0, 6.0), samples=np.array([3.0, 5.0]))
    >>> plateau_test({10: four, 100: four}).homogeneity
    Homogeneity(chi_square=0.0, p_value=1.0)
    """

    chi_square: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Plateau:
    """Mean residual times at several intervals, compared.

    Attributes:
        intervals: the intervals used, increasing.
        values: `(interval,)` mean residual time at each of them.
        standard_errors: `(interval,)` their standard errors.
        mean: weighted mean; its `samples`, if every residual time has some, are those of the mean.
        homogeneity: chi-square and p-value of one common mean.
        trend: weighted slope against log10(interval), divided by the mean: relative change per decade.
        verdict: "plateau" (True: constancy is not rejected), "plateau_within_30_percent" (True: rejected,
            but largest and smallest differ by at most 30 % of the mean), "no_plateau" (False), or
            "plateau_undecided" (None: fewer than two intervals can be used).

    >>> spread = np.random.default_rng(0).normal(size=500) / 20
    >>> four, eight = (Estimate(value, (value - 0.1, value + 0.1), samples=value + spread) for value in (4.0, 8.0))
    >>> found = plateau_test({10: four, 100: eight})
    >>> found.verdict.kind, found.intervals, found.values.tolist()
    ('no_plateau', (10, 100), [4.0, 8.0])
    """

    intervals: tuple[int, ...]
    values: Array
    standard_errors: Array
    mean: Estimate
    homogeneity: Homogeneity
    trend: Estimate
    verdict: Verdict

    def __str__(self) -> str:
        return str(self.verdict)


def plateau_test(
    residuals: Mapping[int, Estimate], *, relaxation_time: float | Estimate | None = None
) -> Plateau:
    """Whether mean residual times, measured at several intervals, are one number.

    With weights w = 1 / SE^2, mean m = sum(w tau) / sum(w), chi^2 = sum(w (tau - m)^2) with one degree of
    freedom less than intervals, slope b of tau against x = log10(P) by weighted least squares, trend b / m.
    SE is the spread of the samples of each residual time (without samples, from its interval), at least
    1 / sqrt(12 n) of n runs: whole numbers of steps can agree exactly and are still only known to the step.
    The residual times must come from different runs, as weights and chi^2 take them as independent.

    The verdict is "plateau" if neither chi^2 nor the trend shows a change (5 % each) and the trend's interval
    leaves room for none above 30 % from the first interval to the last; without that room it stays undecided.

    An interval is used if it exceeds its own mean residual time, and the relaxation time if that is given:
    below, the next perturbation comes before the effect of the last one is over and no plateau is expected.

    Args:
        residuals: mean residual time by interval (P).
        relaxation_time: from when on the survivors are quasi-steady, if known.

    Returns:
        The comparison.

    Raises:
        ConfigError: no residual time, one that is not a finite positive number, or one without any error.

    >>> half = np.array([-0.5, 0.5])
    >>> residuals = {10: Estimate(4.0, (3.0, 5.0), samples=4 + half), 100: Estimate(6.0, (5.0, 7.0), samples=6 + half)}
    >>> plateau = plateau_test(residuals)
    >>> float(plateau.mean.value), plateau.homogeneity.chi_square, round(float(plateau.trend.value), 12)
    (5.0, 8.0, 0.4)
    """
    check_has("residuals", residuals, "items", "a dict {interval: mean residual time}")
    if not residuals:
        message = "no residual time to compare: pass {interval: mean residual time}"
        raise ConfigError(message)
    relaxed = relaxation_time.value if isinstance(relaxation_time, Estimate) else relaxation_time
    if relaxed is not None:
        check_number("relaxation_time", relaxed)
    after = 0.0 if relaxed is None else float(relaxed)
    found = {int(interval): _checked(interval, residuals[interval]) for interval in sorted(residuals)}
    used = {
        interval: one for interval, one in found.items() if interval > after and interval > float(one.value)
    }
    value = np.array([float(one.value) for one in used.values()])
    error = np.array([_standard_error(interval, one) for interval, one in used.items()])
    mean = _mean(used, value, error)
    if value.size < 2:
        unknown = Estimate(float("nan"), (float("nan"), float("nan")), note="fewer than two intervals")
        homogeneity = Homogeneity(0.0, float("nan"))
        return Plateau(
            tuple(used), value, error, mean, homogeneity, unknown, _undecided(used, found, relaxed)
        )
    square = float(np.sum(((value - float(mean.value)) / error) ** 2))
    homogeneity = Homogeneity(square, float(chdtrc(value.size - 1, square)))
    trend = _trend(np.log10(np.array(list(used))), value, error)
    verdict = _verdict(used, value, mean, homogeneity, trend)
    return Plateau(tuple(used), value, error, mean, homogeneity, trend, verdict)


def _checked(interval: int, residual: Estimate) -> Estimate:
    if interval != int(interval) or interval < 1:
        message = f"intervals are whole numbers of steps or epochs from 1 on, got {interval}"
        raise ConfigError(message)
    if not (np.ndim(residual.value) == 0 and np.isfinite(residual.value) and residual.value > 0):
        message = f"the residual time at {interval} must be one finite positive number, got {residual.value}"
        raise ConfigError(message)
    return residual


def _standard_error(interval: int, residual: Estimate) -> float:
    if residual.samples is None:
        spread = float(residual.high - residual.low) / (2.0 * float(ndtri(0.5 + residual.level / 2.0)))
    else:
        spread = float(np.std(residual.samples))
    floor = 1.0 / np.sqrt(12.0 * residual.pieces) if np.isfinite(residual.pieces) else 0.0
    error = max(spread, float(floor))
    if not 0.0 < error < np.inf:
        message = (
            f"the residual time at {interval} has no finite error: pass an estimate with samples, or with an "
            "interval, and its number of runs as pieces"
        )
        raise ConfigError(message)
    return error


def _mean(used: Mapping[int, Estimate], value: Array, error: Array) -> Estimate:
    if not used:
        return Estimate(float("nan"), (float("nan"), float("nan")), note="no interval can be used")
    weight = 1.0 / error**2
    drawn = [one.samples for one in used.values() if one.samples is not None]
    samples = None
    if len(drawn) == len(used):
        count = min(len(one) for one in drawn)
        samples = weight @ np.stack([np.asarray(one)[:count] for one in drawn]) / weight.sum()
    first = next(iter(used.values()))
    return _normal(
        float(weight @ value / weight.sum()),
        float(weight.sum() ** -0.5),
        pieces=sum(one.pieces for one in used.values()),
        unit=first.unit,
        samples=samples,
    )


def _trend(decades: Array, value: Array, error: Array) -> Estimate:
    weight = 1.0 / error**2
    mean = float(weight @ value / weight.sum())
    centred = decades - weight @ decades / weight.sum()
    spread = float(weight @ centred**2)
    slope = float(weight @ (centred * value)) / spread
    # Slope and mean of one weighted fit about the centre are uncorrelated.
    variance = 1.0 / spread / mean**2 + slope**2 / (weight.sum() * mean**4)
    return _normal(slope / mean, float(np.sqrt(variance)), note="relative change per decade of the interval")


def _normal(value: float, error: float, **fields: Any) -> Estimate:
    reach = float(ndtri(0.5 + _LEVEL / 2.0)) * error
    return Estimate(value, (value - reach, value + reach), level=_LEVEL, **fields)


def _undecided(used: Mapping[int, Estimate], found: Mapping[int, Estimate], relaxed: float | None) -> Verdict:
    beyond = "" if relaxed is None else f" and the relaxation time {relaxed:g}"
    text = (
        f"Whether the residual time is the same at every interval cannot be decided: {len(used)} of the "
        f"intervals {', '.join(map(str, found))} exceed their own mean residual time{beyond}, 2 are needed."
    )
    return Verdict(None, "plateau_undecided", text, {"intervals": tuple(used)})


def _verdict(
    used: Mapping[int, Estimate], value: Array, mean: Estimate, homogeneity: Homogeneity, trend: Estimate
) -> Verdict:
    middle = float(mean.value)
    spread = float(value.max() - value.min()) / middle
    chi_square, probability = homogeneity
    change = ", ".join(
        [
            f"χ² {chi_square:.3g} on {value.size - 1}, p = {probability:.2g}",
            f"trend {100 * trend.value:+.3g} % ({100 * trend.low:+.3g} to {100 * trend.high:+.3g}) per decade",
        ]
    )
    where = f"from {min(used)} to {max(used)} ({value.size} intervals): {middle:.3g} on average; {change}"
    # How large a change from the first interval to the last the trend allows.
    hidden = max(-trend.low, trend.high) * np.log10(max(used) / min(used))
    seen = probability <= _SIGNIFICANCE or trend.low > 0 or trend.high < 0
    holds: bool | None
    if not seen and hidden <= _TOLERANCE:
        holds, kind = True, "plateau"
        text = f"No dependence of the residual time on the interval is seen {where}."
    elif not seen:
        holds, kind = None, "plateau_undecided"
        text = (
            f"No dependence of the residual time on the interval is seen {where}; but a change of "
            f"{100 * hidden:.3g} % would not show in so few runs."
        )
    elif spread <= _TOLERANCE:
        holds, kind = True, "plateau_within_30_percent"
        text = f"The residual time is constant within 30 %, but not constant, {where}."
    else:
        holds, kind = False, "no_plateau"
        text = f"The residual time changes by {100 * spread:.3g} % of its mean {where}: no plateau."
    evidence = {
        "intervals": tuple(used),
        "mean": middle,
        "chi_square": chi_square,
        "p_value": probability,
        "trend": float(trend.value),
        "spread": spread,
    }
    return Verdict(holds, kind, text, evidence)
