"""Fluctuation-dissipation: stationary SGD on a quadratic, whose ratio is 1 and whose noise is known; and free walks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coverage_cases.case import Alarm, Case, Coverage, Interval, Row
from thermograd.estimators.block_ends import BlockEnds, block_ends
from thermograd.estimators.exact_dissipation import exact_dissipation
from thermograd.estimators.fluctuation_dissipation import ratio
from thermograd.estimators.stationarity import blocks_in_window, stationarity
from thermograd.estimators.waiting_or_cutting import waiting

Array = npt.NDArray[Any]

RATE, EPOCH = 0.1, 10
CURVATURES = np.repeat([1.0, 0.3], 20)
VARIANCES = RATE / (CURVATURES * (2 - RATE * CURVATURES))
FLUCTUATION = RATE / 2 * float((CURVATURES**2 * VARIANCES + 1).sum())
SLOPE = 0.1


def steps(generator: np.random.Generator, trajectories: int, epochs: int) -> tuple[Array, Array]:
    """Positions before each step (and at the end), and the gradients, of stationary trajectories."""
    place = np.sqrt(VARIANCES) * generator.normal(size=(trajectories, CURVATURES.size))
    places, gradients = [place], []
    for noise in generator.normal(size=(epochs * EPOCH, *place.shape)):
        gradient = CURVATURES * place + noise
        place = place - RATE * gradient
        places.append(place)
        gradients.append(gradient)
    return np.stack(places, 1), np.stack(gradients, 1)


def both_sides(trajectories: int, epochs: int) -> Callable[[np.random.Generator], tuple[Array, Array]]:
    """O_L about the minimum and O_R of every step."""

    def draw(generator: np.random.Generator) -> tuple[Array, Array]:
        places, gradients = steps(generator, trajectories, epochs)
        return (places[:, :-1] * gradients).sum(2), RATE / 2 * (gradients**2).sum(2)

    return draw


def ratio_of(data: tuple[Array, Array]) -> list[Interval]:
    return [ratio(*data, steps_per_epoch=EPOCH).interval]


def record(epochs: int) -> Callable[[np.random.Generator], BlockEnds]:
    """What a watch keeps of one training."""

    def draw(generator: np.random.Generator) -> BlockEnds:
        places, gradients = steps(generator, 1, epochs)
        squared = (RATE * gradients[0]) ** 2
        return block_ends(places[0, ::EPOCH], squared.reshape(epochs, -1).sum(1), steps_per_block=EPOCH)

    return draw


def of_a_watch(ends: BlockEnds) -> list[Interval]:
    decided = stationarity(ends)
    blocks, groups = blocks_in_window(ends.blocks)
    window = ends.last(blocks)
    found = exact_dissipation(
        window.steps,
        window.squared_norm / (2 * RATE),
        window.squared_update / (2 * RATE),
        window.measured,
        groups=groups,
    )
    low, high = found.fluctuation.interval
    count = CURVATURES.size
    return [
        decided.ratio.interval if decided.ratio else None,
        found.dissipation.interval,
        found.fluctuation.interval,
        (low / count, high / count),
    ]


def creep(times: Array) -> Array:
    return -SLOPE * np.log(times)


def power(times: Array) -> Array:
    return times**-0.5


def relaxation(times: Array) -> Array:
    return np.exp(-times / 16)


def losses(
    blocks: int, correlation: float, curve: Callable[[Array], Array] = creep
) -> Callable[[np.random.Generator], Array]:
    """Losses of blocks along a curve, with noise of correlation from block to block."""

    def draw(generator: np.random.Generator) -> Array:
        noise = generator.normal(size=blocks)
        for block in range(1, blocks):
            noise[block] = correlation * noise[block - 1] + np.sqrt(1 - correlation**2) * noise[block]
        return curve(np.arange(1, blocks + 1) - 0.5) + 0.01 * noise

    return draw


def still_to_fall(blocks: int, curve: Callable[[Array], Array]) -> float:
    return float(-np.diff(curve(np.array([blocks, 2.0 * blocks])))[0])


def waiting_of(recorded: Array) -> list[Interval | None]:
    found = waiting(recorded, np.arange(1, len(recorded) + 1))
    return [None if found is None else found.interval]


def walk(parameters: int, drift: float) -> Callable[[np.random.Generator], Array]:
    """512 epochs of free diffusion."""

    def draw(generator: np.random.Generator) -> Array:
        kicks = generator.normal(size=(512, parameters))
        kicks[:, 0] += drift
        return np.concatenate([np.zeros((1, parameters)), kicks.cumsum(0)])

    return draw


def called_equilibrated(places: Array) -> list[bool]:
    """At any of 32 looks, at every eighth block end or so from 32 epochs on."""
    squared = np.full(len(places) - 1, float(places.shape[1]))
    looks = [*range(32, 65, 4), *range(72, 129, 8), *range(144, 257, 16), *range(288, 513, 32)]
    for last in looks:
        ends = block_ends(places[: last + 1], squared[:last], steps_per_block=1)
        if stationarity(ends).verdict.kind == "equilibrated":
            return [True]
    return [False]


WORDS = "stationary SGD on a quadratic of 40 modes, relaxation 1 and 3 epochs"
SHARED_END = (
    "wider than need be: the drifts of neighbouring blocks share an end and have opposite signs there, so their "
    "mean varies less than independent ones would"
)
FEW_ENTRIES = (
    "ten entries show little of a bend, and creep counts most beforehand, so that too much is foretold"
)
TWO_FUTURES = (0.86, 1.0)  # the interval reaches from one future to the other, and allows for a memory
AS_LONG = "a memory of the noise about as long as the window cannot be told from a slope or a bend"
NINETY = (0.86, 0.94)

CASES: list[Case] = [
    Coverage(
        f"{WORDS}, 24 trajectories of 24 epochs, both sides recorded at every step",
        (Row("ratio", 1.0, (0.93, 0.975)),),
        both_sides(24, 24),
        ratio_of,
        400,
    ),
    Coverage(
        f"{WORDS}, one trajectory of 120 epochs, both sides recorded at every step",
        (Row("ratio", 1.0, why_more=SHARED_END),),
        both_sides(1, 120),
        ratio_of,
        400,
    ),
    *(
        Coverage(
            f"{WORDS}, what a watch keeps of {epochs} epochs, level 90 %",
            (
                Row("ratio about the anchor", 1.0, NINETY, 0.9, why_more=SHARED_END),
                Row("dissipation", FLUCTUATION, NINETY, 0.9, why_more=SHARED_END),
                Row("fluctuation", FLUCTUATION, NINETY, 0.9),
                Row("temperature", FLUCTUATION / CURVATURES.size, NINETY, 0.9),
            ),
            record(epochs),
            of_a_watch,
            400,
        )
        for epochs in (48, 124)
    ),
    *(
        Coverage(
            f"a loss that falls {words}, {blocks} blocks with noise of correlation {correlation:g}, level 90 %",
            (
                Row(
                    "waiting, its fall when time is doubled",
                    still_to_fall(blocks, curve),
                    TWO_FUTURES,
                    0.9,
                    why_fewer=AS_LONG if correlation else FEW_ENTRIES,
                ),
            ),
            losses(blocks, correlation, curve),
            waiting_of,
            1000,
        )
        for words, curve, lengths in (
            ("by 0.1 ln t", creep, (20, 60, 200)),
            ("as t^(-1/2)", power, (20, 60, 200)),
            ("as exp(-t/16)", relaxation, (20, 60)),
        )
        for blocks in lengths
        for correlation in (0.0, 0.5, 0.8, 0.95)
    ),
    *(
        Alarm(
            f"free diffusion along {parameters} directions{f' with a drift of {drift:g} per kick' if drift else ''}, "
            "32 looks over 512 epochs",
            (Row("equilibrated", wanted=(0.0, 0.01)),),
            walk(parameters, drift),
            called_equilibrated,
            speaker="tg.watch",
        )
        for parameters, drift in ((1, 0.0), (40, 0.0), (40, 0.5))
    ),
]
