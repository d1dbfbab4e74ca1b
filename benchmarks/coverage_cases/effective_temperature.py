"""Effective temperature: modes in heat baths whose displacement and response are exact, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from coverage_cases.case import Alarm, Case, Row
from thermograd.estimators import effective_temperature
from thermograd.estimators.common_drift import common_drift

Array = npt.NDArray[Any]
Rows = tuple[Array, Array]

LAGS, EACH = 20, 300
PULLS = np.repeat([0.6, 0.05], EACH)  # curvature 1 each: modes that forget in 2 steps, and in 20
CURVATURE = 1.0


def modes(rows: int, slow: float) -> Callable[[np.random.Generator], Rows]:
    """D and χ of 600 modes at lags 1 ... 20, half of them fast at temperature 1, half slow at temperature `slow`."""
    memory = 1 - PULLS
    heat = np.repeat([1.0, slow], EACH)
    ahead = np.arange(1, LAGS + 2)[:, None]
    response = ((1 - memory**ahead) / CURVATURE).mean(axis=1)

    def draw(generator: np.random.Generator) -> Rows:
        normal = generator.normal(size=(rows, LAGS + 2, PULLS.size)) * np.sqrt(heat / CURVATURE)
        normal[:, 1:] *= np.sqrt(1 - memory**2)
        places = np.concatenate(
            [
                lfilter([1.0], [1.0, -one], normal[..., memory == one], axis=1)
                for one in np.unique(memory)[::-1]
            ],
            axis=2,
        )
        moved = np.square(places[:, 1:] - places[:, :1]).mean(axis=2) / 2
        return moved, np.tile(response, (rows, 1))

    return draw


def temperature(rows: Rows, ordered: bool = False) -> str:
    return effective_temperature.estimate(*rows, half_step=False, time_ordered=ordered).verdict.kind


def said(*kinds: str, ordered: bool = False) -> Callable[[Rows], list[bool]]:
    def raised(rows: Rows) -> list[bool]:
        kind = temperature(rows, ordered)
        return [kind == one for one in kinds]

    return raised


def displacements(rows: int) -> Callable[[np.random.Generator], Array]:
    """Of rows in 60 directions."""
    return lambda generator: generator.normal(size=(rows, 60))


def moves_on(moved: Array) -> list[bool]:
    found = common_drift(moved @ moved.T / moved.shape[1], float(np.square(moved).mean()), 10, 0.01)
    return [found.found]


WORDS = f"{2 * EACH} modes, half of them slow, lags 1 to {LAGS}"
ONCE_IN_1000 = (0.0, 0.003)

CASES: list[Case] = [
    *(
        Alarm(
            f"{WORDS}, one temperature, {rows} rows",
            (Row("no_single_temperature", wanted=(0.0, 0.05)), Row("not_stationary", wanted=ONCE_IN_1000)),
            modes(rows, 1.0),
            said("no_single_temperature", "not_stationary", ordered=True),
            2000,
            speaker="effective_temperature",
        )
        for rows in (8, 24)
    ),
    *(
        Alarm(
            f"{WORDS}, the slow ones {slow:g} times as hot, {rows} rows: temperatures at lag 1 and {LAGS} differ by {words}",
            (Row("single_temperature", wanted=(0.0, 0.05)),),
            modes(rows, slow),
            said("single_temperature"),
            1000,
            speaker="effective_temperature",
        )
        for slow, rows, words in (
            (1.33, 8, "10 %, the tolerance itself"),
            (1.5, 8, "15 %"),
            (1.5, 24, "15 %"),
        )
    ),
    *(
        Alarm(
            f"displacements of {rows} rows in 60 directions that share nothing",
            (Row("a drift that all rows share", wanted=ONCE_IN_1000),),
            displacements(rows),
            moves_on,
            4000,
            speaker="common_drift",
        )
        for rows in (4, 16)
    ),
]
