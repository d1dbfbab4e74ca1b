"""Whether one temperature describes all lags, and why that may not be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.common_drift import CommonDrift
from thermograd.estimators.displacement_drift import Drift
from thermograd.estimators.resampled_rows import half_width, rows_for
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]

_SMALLEST_RATIO = 1e-6
_MANY = 1e4


@dataclass(frozen=True, eq=False)
class Temperatures:
    """The temperature at the first lag, of the fit, and at the last lag, from the same resamples."""

    short: Estimate
    fit: Estimate
    long: Estimate

    @property
    def level(self) -> float:
        """Of the intervals."""
        return self.fit.level

    @property
    def rows(self) -> int:
        """Rows they rest on."""
        return int(self.fit.pieces)


@dataclass(frozen=True)
class _LogRatio:
    """ln of a ratio of two temperatures, with half the width of its interval."""

    name: str
    value: float
    half: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.value - self.half, self.value + self.half

    def inside(self, bound: float) -> bool:
        low, high = self.interval
        return -bound <= low and high <= bound

    def outside(self, bound: float) -> bool:
        low, high = self.interval
        return low > bound or high < -bound


def one_temperature(found: Temperatures, tolerance: float, lags: int, notes: tuple[str, ...]) -> Verdict:
    """Whether ln(fit/short) and ln(long/short) both lie inside ±ln(1 + tolerance), or one of them outside.

    Signed logarithms, because the spread of several noisy numbers is never 0.

    Args:
        found: the temperatures.
        tolerance: relative.
        lags: how many.
        notes: sentences to add.

    Returns:
        Kinds `single_temperature` (True), `no_single_temperature` (False), `undecided` (None).
    """
    bound = math.log1p(tolerance)
    ratios = [_log_ratio(name, getattr(found, name), found) for name in ("fit", "long")]
    evidence: dict[str, Any] = {f"ln({one.name}/short)": one.value for one in ratios}
    evidence |= {f"ln({one.name}/short) interval": one.interval for one in ratios}
    evidence |= {"bound": bound, "rows": found.rows, "lags": lags}
    values = f"short {_number(found.short)}, fit {_number(found.fit)}, long {_number(found.long)}"
    if all(one.inside(bound) for one in ratios):
        text = f"one temperature {_with_interval(found.fit)} describes lags 1 to {lags} within {tolerance:.0%}: {values}"
        return Verdict(True, "single_temperature", _sentences(text, notes), evidence)
    if any(one.outside(bound) for one in ratios):
        text = f"no single temperature within {tolerance:.0%} for lags 1 to {lags}: {values}; quote it with its lag"
        return Verdict(False, "no_single_temperature", _sentences(text, notes), evidence)
    more = _more_rows(ratios, bound, found.rows, found.level)
    evidence["more_rows"] = more
    text = f"cannot decide whether one temperature describes lags 1 to {lags} within {tolerance:.0%}: {values}; {_wish(more)}"
    return Verdict(None, "undecided", _sentences(text, notes), evidence)


def not_stationary(drift: Drift, tolerance: float) -> Verdict:
    """The refusal for a displacement that changes with age."""
    text = (
        f"not stationary: the displacement over {drift.lag} steps is {drift.later:.4g}, earlier it was {drift.earlier:.4g}; "
        f"that is more than {tolerance:.0%}, and chance does so once in {1 / max(drift.chance, 1e-99):.2g} times. No temperature "
        "is defined. Wait longer; if nothing ever is stationary (interpolation), measure the replica distance"
    )
    evidence = drift._asdict() | {"tolerance": tolerance}
    return Verdict(None, "not_stationary", _sentences(text, ()), evidence)


def moves_on(common: CommonDrift, tolerance: float) -> Verdict:
    """The refusal for rows that all move the same way, however steadily."""
    text = (
        f"not stationary: {common.share:.0%} of the mean-square displacement over {common.lag} steps is a drift that all rows share; "
        f"that is more than {tolerance:.0%}, and chance does so once in {1 / max(common.chance, 1e-99):.2g} times. No temperature "
        "is defined. Wait longer; if nothing ever is stationary (interpolation), measure the replica distance"
    )
    evidence = common._asdict() | {"tolerance": tolerance}
    return Verdict(None, "not_stationary", _sentences(text, ()), evidence)


def lags_inside_noise_memory(
    short: Estimate, lags: int, noise_memory: float, notes: tuple[str, ...]
) -> Verdict:
    """The refusal for lags over which the batches still remember each other."""
    text = (
        f"the {lags} lags are fewer than 3 times the memory of the batches ({noise_memory:g} steps): the noise is not yet "
        f"averaged over, and only the temperature at lag 1 is given, {_with_interval(short)}. Take {math.ceil(3 * noise_memory)} "
        "lags or more"
    )
    evidence = {"lags": lags, "noise_memory": noise_memory}
    return Verdict(None, "lags_inside_noise_memory", _sentences(text, notes), evidence)


def no_noise(lags: int) -> Verdict:
    """The verdict on weights that do not move."""
    text = (
        f"no noise: nothing moves over {lags} lags (full batches, or every sample is fitted exactly); the temperature is 0. If "
        "other runs end elsewhere, measure the replica distance"
    )
    return Verdict(None, "no_noise", _sentences(text, ()), {"lags": lags})


def _log_ratio(name: str, temperature: Estimate, found: Temperatures) -> _LogRatio:
    assert temperature.samples is not None  # estimates of this package keep them
    assert found.short.samples is not None
    value = _logarithm(np.asarray(temperature.value), np.asarray(found.short.value))
    samples = _logarithm(temperature.samples, found.short.samples)
    return _LogRatio(name, float(value), float(half_width(samples, found.rows, found.level)))


def _logarithm(above: Array, below: Array) -> Array:
    """ln(above/below); a displacement that noise makes negative counts as a millionth of a temperature."""
    tiny = np.finfo(float).tiny
    found: Array = np.log(np.maximum(above / np.maximum(below, tiny), _SMALLEST_RATIO))
    return found


def _more_rows(ratios: list[_LogRatio], bound: float, rows: int, level: float) -> float:
    """How many more rows would decide, at the values that these have."""
    if rows < 2:
        return np.inf
    needed = [rows_for(one.half, rows, abs(abs(one.value) - bound), level) for one in ratios]
    beyond = [count for one, count in zip(ratios, needed, strict=True) if abs(one.value) > bound]
    return max(1.0, (min(beyond) if beyond else max(needed)) - rows)


def _wish(more: float) -> str:
    if not math.isfinite(more):
        return "one row has no error, or the response is lost in its noise: take several independent rows"
    if more > _MANY:
        return "it lies so close to the limit that no number of rows will decide soon"
    return f"about {more:.0f} more independent rows (windows, seeds) would"


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:.4g}"


def _with_interval(estimate: Estimate) -> str:
    low, high = estimate.interval
    return f"{estimate.value:.4g} ({low:.4g} to {high:.4g} at {100 * estimate.level:g} %)"


def _sentences(text: str, notes: tuple[str, ...]) -> str:
    return " ".join([f"{text[0].upper()}{text[1:]}.", *notes])
