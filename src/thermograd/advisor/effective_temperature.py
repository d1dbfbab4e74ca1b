"""Advice on the batch size or learning rate at which plain SGD has a wanted effective temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from thermograd.advisor.temperature_sweep import Sweep as Sweep
from thermograd.advisor.temperature_sweep import sweep as sweep
from thermograd.errors import ConfigError
from thermograd.quantities import Advice, Estimate

if TYPE_CHECKING:
    from thermograd.ensemble.temperature_reading import TemperatureReading

_FAR = 3.0


@dataclass(frozen=True)
class TemperatureSetting:
    """A batch size and learning rate, and the temperature they should give.

    Attributes:
        batch_size: m.
        learning_rate: η.
        expected: T, with the interval of the reading.
    """

    batch_size: int
    learning_rate: float
    expected: Estimate

    def __str__(self) -> str:
        return (
            f"batch_size {self.batch_size} at learning_rate {self.learning_rate:.3g}: "
            f"temperature {self.expected.value:.3g} ({self.expected.low:.3g} to {self.expected.high:.3g})"
        )


def advise(reading: TemperatureReading, *, wanted: float) -> Advice:
    """The batch size at the same learning rate, and the learning rate at the same batch size, for a wanted temperature.

    The noise of independent batches of a share b of the samples has the strength T ∝ η(1 − b)/b, as long as weights stay where
    its covariance and the curvature are the same. Only where one temperature has been shown, and only for batches without
    memory: reshuffled and persistent batches do not follow this law.

    Args:
        reading: of `measure_temperature`.
        wanted: T, above 0.

    Returns:
        Advice whose `ranking` holds `TemperatureSetting`s, or is empty with the reason as recommendation.

    Raises:
        ConfigError: a ValueError: a temperature that is not a positive number.

    >>> import numpy as np
    >>> from thermograd.ensemble.temperature_reading import TemperatureReading
    >>> from thermograd.estimators.effective_temperature import estimate
    >>> lags = np.arange(1, 12)
    >>> whole = estimate(np.tile(0.5 * lags, (4, 1)), np.tile(lags, (4, 1)), half_step=False)  # D = 0.5 χ
    >>> facts = {"response_check": 1.0, "linearity": 0.0, "groups": {}, "steps_used": 0, "field": 1e-4}
    >>> reading = TemperatureReading(whole, learning_rate=0.1, batch_fraction=0.2, samples=1000, **facts)
    >>> print(advise(reading, wanted=0.25).recommendation)  # (1 − b)/b from 4 to 2
    For temperature 0.25 in place of 0.5 use batch_size 333 at learning_rate 0.1: temperature 0.25 (0.25 to 0.25).
    """
    _check_wanted(wanted)
    fraction, fit = reading.batch_fraction, reading.fit
    if reading.verdict.holds is not True or fit is None:
        text = "No advice: the reading shows no single temperature that could be scaled."
        return Advice(text, verdicts=(reading.verdict,))
    if fraction is None or fraction >= 1:
        text = (
            "No advice: T ∝ η(1 − b)/b is the law of independent batches of distinct samples, without injected noise, and the "
            "reading is of others. Measure with WithReplacement(batch_size) or Persistent(fraction)."
        )
        return Advice(text, verdicts=(reading.verdict,))
    settings = _settings(reading, fit, fraction, wanted)
    text = f"For temperature {wanted:.3g} in place of {fit.value:.3g} use {settings[0]}."
    return Advice(text, settings, (reading.verdict,), _caveats(fit, wanted))


def _check_wanted(wanted: Any) -> None:
    if isinstance(wanted, bool) or not isinstance(wanted, Real) or not math.isfinite(wanted) or wanted <= 0:
        message = f"wanted is {wanted!r}; it must be a positive number, in units of the loss"
        raise ConfigError(message)


def _settings(
    reading: TemperatureReading, fit: Estimate, fraction: float, wanted: float
) -> tuple[TemperatureSetting, ...]:
    """The batch first: it leaves alone how fast the weights relax."""
    ratio, now = wanted / fit.value, (1 - fraction) / fraction
    size = round(reading.samples / (1 + ratio * now))
    found = []
    if 1 <= size < reading.samples:
        factor = (reading.samples - size) / size / now
        found.append(TemperatureSetting(size, reading.learning_rate, _scaled(fit, factor)))
    batch = round(fraction * reading.samples)
    found.append(TemperatureSetting(batch, reading.learning_rate * ratio, _scaled(fit, ratio)))
    return tuple(found)


def _scaled(fit: Estimate, factor: float) -> Estimate:
    low, high = fit.interval
    return Estimate(fit.value * factor, (low * factor, high * factor), level=fit.level, pieces=fit.pieces)


def _caveats(fit: Estimate, wanted: float) -> tuple[str, ...]:
    found = ["the law holds near the measured state; measure again at the new setting"]
    if wanted > fit.value:
        found.append("a larger learning rate must stay below 2/curvature, or training diverges")
    if not 1 / _FAR <= wanted / fit.value <= _FAR:
        found.append(
            "this is far from what was measured: weights will settle elsewhere, with other curvatures and noise"
        )
    return tuple(found)
