"""What a watch says of a training: that it rests, moves or drifts, and whether a cut pays, at one look and at many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from coverage_cases.case import Alarm, Case, Row
from coverage_cases.fluctuation_dissipation import AS_LONG, SLOPE, losses
from thermograd.estimators.block_ends import block_ends
from thermograd.estimators.stationarity import stationarity
from thermograd.estimators.waiting_or_cutting import waiting, waiting_or_cutting
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

LOOKS = (*range(32, 65, 4), *range(72, 129, 8), *range(144, 257, 16), *range(288, 513, 32))
QUICK = 40
DOUBLED = SLOPE * np.log(2)


def walk(
    epochs: int, times: Array, away: float = 0.0
) -> Callable[[np.random.Generator], tuple[Array, Array]]:
    """Ends of epochs of independent modes with these relaxation times, the last one `away` deviations off at first.

    Also Σ|Δ|² of an epoch of very many steps: 2/τ for each mode of unit variance.
    """
    memory = np.exp(-1 / times)

    def draw(generator: np.random.Generator) -> tuple[Array, Array]:
        normal = generator.normal(size=(epochs + 1, times.size))
        normal[1:] *= np.sqrt(1 - memory**2)
        normal[0, -1] += away
        places = np.stack(
            [lfilter([1.0], [1.0, -a], column) for a, column in zip(memory, normal.T, strict=True)], 1
        )
        return places, np.full(epochs, float((2 / times).sum()))

    return draw


def kinds_at_looks(data: tuple[Array, Array]) -> list[str]:
    """What is said at every look, with what earlier looks found at hand."""
    places, squared = data
    said, earlier = [], []
    for last in LOOKS:
        if last > len(squared):
            break
        ends = block_ends(places[: last + 1], squared[:last], steps_per_block=1)
        found = stationarity(ends, earlier=tuple(earlier))
        said.append(found.verdict.kind)
        if found.ratio is not None:
            half = float(found.ratio.high - found.ratio.low) / 2
            earlier.append((last, 1 - float(found.ratio.value), half))
    return said


def ever(*kinds: str) -> Callable[[tuple[Array, Array]], list[bool]]:
    def raised(data: tuple[Array, Array]) -> list[bool]:
        said = kinds_at_looks(data)
        return [kind in said for kind in kinds]

    return raised


def at_the_end(*kinds: str) -> Callable[[tuple[Array, Array]], list[bool]]:
    def raised(data: tuple[Array, Array]) -> list[bool]:
        said = kinds_at_looks(data)[-1]
        return [said == kind for kind in kinds]

    return raised


def weighed(recorded: Array, price: float) -> str:
    """`waiting_or_cutting` where the price of a cut is known exactly."""
    gain = waiting(recorded, np.arange(1, len(recorded) + 1))
    return waiting_or_cutting(gain, Estimate(price, (price, price), 0.9), blocks=len(recorded)).kind


def at_one_look(price: float, *kinds: str) -> Callable[[Array], list[bool]]:
    def raised(recorded: Array) -> list[bool]:
        said = weighed(recorded, price)
        return [said == kind for kind in kinds]

    return raised


def at_any_look(price: float, *kinds: str) -> Callable[[Array], list[bool]]:
    """At any of 33 looks from 16 epochs on, each with at most 64 blocks, as a watch keeps them."""

    def raised(recorded: Array) -> list[bool]:
        said = set()
        for last in (last // 2 for last in LOOKS):
            stride = 1
            while last // stride >= 64:
                stride *= 2
            blocks = recorded[: last // stride * stride].reshape(-1, stride).mean(axis=1)
            said.add(weighed(blocks, price))
        return [kind in said for kind in kinds]

    return raised


def moving(away: float, epochs: int, why: str = "") -> Alarm:
    """Modes at rest hold the loss by a quarter of Σ 1/τ up; the one that moves by a half of away²/τ."""
    share = away**2 / SLOW / 2 / ((QUICK - 1) / FAST / 2)
    return Alarm(
        f"{QUICK - 1} modes at rest, and one that relaxes in {SLOW:g} epochs from {away:g} standard deviations off, where it adds "
        f"{100 * share:.0f} % to the loss that the noise sustains; looks up to epoch {epochs}",
        (Row("equilibrated", wanted=(0.0, 0.01), why_more=why),),
        walk(epochs, np.append(np.full(QUICK - 1, FAST), SLOW), away),
        ever("equilibrated"),
        speaker="tg.watch",
    )


FAST, SLOW = 2.0, 400.0
INVISIBLE = (
    "over the first windows it moves less than the others wander, so neither the ratio nor the slowest visible direction shows it; "
    "what is left to gain there is small beside the noise"
)
RESTING = np.repeat([2.0, 6.0], QUICK // 2)
NO = ("approaching", "slow_directions_remain", "drifting")
NOISES = (
    (0.0, "independent noise", ""),
    (0.8, "noise of correlation 0.8", AS_LONG),
    (0.95, "noise of correlation 0.95", AS_LONG),
)

CASES: list[Case] = [
    moving(60.0, 256),
    moving(30.0, 256, INVISIBLE),
    Alarm(
        f"{QUICK} modes at rest, relaxation 2 and 6 epochs, 33 looks over 512 epochs: is it ever said to drift?",
        (Row("drifting", wanted=(0.0, 0.01)),),
        walk(512, RESTING),
        ever("drifting"),
        speaker="tg.watch",
    ),
    Alarm(
        f"{QUICK} modes at rest, relaxation 2 and 6 epochs, the look at epoch 512",
        tuple(Row(kind, wanted=(0.0, 0.05)) for kind in NO),
        walk(512, RESTING),
        at_the_end(*NO),
        speaker="tg.watch",
    ),
    *(
        Alarm(
            f"a loss that falls by 0.1 ln t with {noise}, and a cut worth just as much as waiting: one look at 63 blocks",
            (
                Row("cutting_pays", wanted=(0.0, 0.06), why_more=why),
                Row("waiting_pays", wanted=(0.0, 0.06), why_more=why),
            ),
            losses(63, correlation),
            at_one_look(DOUBLED, "cutting_pays", "waiting_pays"),
            2000,
            speaker="waiting_or_cutting",
        )
        for correlation, noise, why in NOISES
    ),
    *(
        Alarm(
            f"a loss that falls by 0.1 ln t with {noise}, and a cut worth {share:g} times as much as waiting: 33 looks, 16 to 256 epochs",
            (Row(kind, wanted=(0.0, 0.05), why_more=why),),
            losses(256, correlation),
            at_any_look(share * DOUBLED, kind),
            400,
            speaker="waiting_or_cutting",
        )
        for correlation, noise, why in NOISES
        for share, kind in ((0.7, "cutting_pays"), (1.4, "waiting_pays"))
    ),
]
