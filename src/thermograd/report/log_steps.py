"""Steps on an axis of their logarithm that has a place for step 0: the weights as they were initialised."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.estimators.short_number import short_number

Array = npt.NDArray[Any]

_MOST = 9


def log_places(steps: npt.ArrayLike) -> Array:
    """log₁₀ of every step; 0 lies as far before the first as the first from the second, at least 0.3.

    >>> log_places([0, 1, 10, 100]).tolist()
    [-1.0, 0.0, 1.0, 2.0]
    """
    given = np.asarray(steps, float)
    positive = np.unique(given[given > 0])
    places = np.log10(np.where(given > 0, given, 1.0))
    if not positive.size:
        return places
    first = float(np.log10(positive[0]))
    gap = float(np.log10(positive[1])) - first if positive.size > 1 else 0.3
    return np.where(given > 0, places, first - max(gap, 0.3))


def log_axis(steps: npt.ArrayLike) -> dict[str, Any]:
    """The axis for `log_places(steps)`: a tick at step 0 and at whole decades, or at the steps if they are few.

    >>> log_axis([0, 1, 10, 100, 1000])["ticktext"]
    ['0', '1', '10', '100', '1000']
    """
    given = np.unique(np.asarray(steps, float))
    places = log_places(given)
    if not given.size:
        return {}
    ticks = dict(zip(places.tolist(), given.tolist(), strict=True))
    if given.size > _MOST:
        positive = places[given > 0]
        decades = np.arange(np.ceil(positive[0] - 1e-9), np.floor(positive[-1] + 1e-9) + 1)
        zero = {float(place): 0.0 for place in places[given == 0]}
        ticks = zero | {float(place): 10.0**place for place in decades.tolist()}
    room = max(0.05 * float(np.ptp(places)), 0.2)
    return {
        "tickvals": list(ticks),
        "ticktext": [short_number(step) for step in ticks.values()],
        "range": [float(places.min()) - room, float(places.max()) + room],
    }
