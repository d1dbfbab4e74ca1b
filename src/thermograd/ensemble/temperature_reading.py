"""What `measure_temperature` has measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.effective_temperature import EffectiveTemperature
from thermograd.quantities import Estimate, Verdict

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class TemperatureReading:
    """Temperatures of the training of a model, in units of its mean loss; see `EffectiveTemperature`.

    Attributes:
        whole: of all trainable weights.
        response_check: χ(1) over the learning rate, 1 if the copies share their randomness.
        linearity: largest relative deviation of the response between the field and a tenth of it.
        groups: of parts of the model, by name, from the same windows.
        steps_used: updates that were made, those of every copy counted.
        field: ε, the size of the field on each weight.
        learning_rate: η at which it was measured.
        batch_fraction: b, if all noise was that of independent batches of distinct samples; else None.
        samples: M, training samples.

    >>> from thermograd.estimators.effective_temperature import estimate
    >>> lags = np.arange(1, 12)
    >>> whole = estimate(np.tile(0.5 * lags, (4, 1)), np.tile(lags, (4, 1)), half_step=False)  # D = 0.5 χ
    >>> facts = {"response_check": 1.0, "linearity": 0.0, "groups": {}, "steps_used": 0, "field": 1e-4}
    >>> reading = TemperatureReading(whole, learning_rate=0.1, batch_fraction=0.2, samples=1000, **facts)
    >>> round(reading.fit.value, 9), reading.verdict.kind
    (0.5, 'single_temperature')
    """

    whole: EffectiveTemperature
    response_check: float
    linearity: float
    groups: Mapping[str, EffectiveTemperature]
    steps_used: int
    field: float
    learning_rate: float
    batch_fraction: float | None
    samples: int

    @property
    def short(self) -> Estimate | None:
        """At lag 1."""
        return self.whole.short

    @property
    def fit(self) -> Estimate | None:
        """Of all lags."""
        return self.whole.fit

    @property
    def long(self) -> Estimate | None:
        """At the longest lag."""
        return self.whole.long

    @property
    def r_squared(self) -> float:
        """Of the line of the fit."""
        return self.whole.r_squared

    @property
    def lags(self) -> npt.NDArray[np.int64]:
        """Steps."""
        return self.whole.lags

    @property
    def curve(self) -> Array:
        """T(j)."""
        return self.whole.curve

    @property
    def curve_interval(self) -> Array:
        """Of T(j), `(2, n)`."""
        return self.whole.curve_interval

    @property
    def displacement(self) -> Array:
        """D̄(j), mean over windows."""
        return self.whole.displacement

    @property
    def response(self) -> Array:
        """χ(j), mean over windows."""
        return self.whole.response

    @property
    def verdict(self) -> Verdict:
        """Whether one temperature describes all lags, and what to keep in mind."""
        return self.whole.verdict

    def __str__(self) -> str:
        return self.verdict.text

    def __repr__(self) -> str:
        return f"TemperatureReading({self.verdict.text})"
