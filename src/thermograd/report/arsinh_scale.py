"""A scale for numbers of both signs and many sizes: linear near 0, logarithmic beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.short_number import short_number

Array = npt.NDArray[Any]

_MOST = 4


@dataclass(frozen=True)
class ArsinhScale:
    """y = arsinh(value / (2 s)) / ln 10, which is ± log₁₀(|value| / s) where |value| is far above s.

    Attributes:
        linear: s; below it the scale is linear.

    >>> scale = ArsinhScale(1e-3)
    >>> scale(np.array([0.0, 1.0, -10.0])).round(4).tolist()
    [0.0, 3.0, -4.0]
    """

    linear: float

    def __call__(self, values: npt.ArrayLike) -> Array:
        """The places of values."""
        places: Array = np.arcsinh(np.asarray(values, float) / (2 * self.linear)) / np.log(10)
        return places

    def axis(self, values: npt.ArrayLike) -> dict[str, Any]:
        """Ticks at 0 and at powers of ten of both signs, at most four of a sign, as far as the values reach."""
        given = np.asarray(values, float)
        known = given[np.isfinite(given)]
        if not known.size:
            return {}
        ends = float(known.min(initial=0.0)), float(known.max(initial=0.0))
        ticks = [0.0, *self._powers(ends[1]), *(-power for power in self._powers(-ends[0]))]
        room = 0.05 * float(np.ptp(self(np.array(ends)))) or 1.0
        return {
            "tickvals": [float(place) for place in self(sorted(ticks))],
            "ticktext": [short_number(tick) for tick in sorted(ticks)],
            "range": [float(self(ends[0])) - room, float(self(ends[1])) + room],
        }

    def _powers(self, end: float) -> list[float]:
        """From the largest power of ten that is reached down to where the scale turns linear."""
        if end <= 2 * self.linear:
            return []
        last = int(np.floor(np.log10(end) + 1e-9))
        first = int(np.ceil(np.log10(2 * self.linear)))
        every = 1 + max(last - first, 0) // _MOST
        return [10.0**power for power in range(last, first - 1, -every)]


def scale_of(values: npt.ArrayLike, share: float = 1e-3) -> ArsinhScale:
    """The scale that is linear below a share of the largest size, 1 if all values are 0.

    >>> scale_of([-0.5, 20.0]).linear
    0.02
    """
    given = np.abs(np.asarray(values, float))
    known = given[np.isfinite(given)]
    largest = float(known.max(initial=0.0))
    return ArsinhScale(share * largest if largest > 0 else 1.0)
