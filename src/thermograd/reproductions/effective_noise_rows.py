"""Rows of the effective noise: what the abstract says, what we find, and whether that agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from thermograd.estimators.displacement_drift import welch
from thermograd.estimators.effective_temperature import EffectiveTemperature
from thermograd.quantities import Estimate, Verdict
from thermograd.report.ranking import number_text
from thermograd.reproductions.effective_noise_simulation import mean_over_draws
from thermograd.reproductions.reproduction import Row

Array = npt.NDArray[Any]

_CHANCE = 0.05
_VANISHED = 1e-3


def stationary_row(found: Mapping[str, EffectiveTemperature], errors: Mapping[str, float]) -> Row:
    """Whether every setting has a stationary state with a temperature and a positive training error.

    Args:
        found: setting -> its temperature, tested for stationarity.
        errors: setting -> final training error.
    """
    fits = {name: one.fit for name, one in found.items() if one.fit is not None}
    moving = [name for name, one in found.items() if one.verdict.kind == "not_stationary"]
    untested = [name for name, one in found.items() if "was not tested" in one.verdict.text]
    wrong = [name for name in found if name in moving or errors[name] <= 0]
    holds: bool | None = False if wrong else None if untested or len(fits) < len(found) else True
    text = f"{len(found) - len(moving)} of {len(found)} settings stationary, training errors from {min(errors.values()):.3g}"
    text += f"; not: {', '.join(wrong)}" if wrong else "; not tested in some" if untested else ""
    return Row(
        "stationary state and effective temperature, under-parametrised",
        "reached where the final training error is positive",
        _range({name: fit for name, fit in fits.items()}),
        Verdict(holds, "stationary", text),
    )


def interpolation_row(found: Mapping[str, EffectiveTemperature], errors: Mapping[str, float]) -> Row:
    """Whether the over-parametrised training error goes to 0; and where nothing is stationary.

    Args:
        found: setting -> what the test of stationarity says.
        errors: setting -> training error at the end.
    """
    moving = [name for name, one in found.items() if one.verdict.kind == "not_stationary"]
    worst = max(errors.values())
    text = f"simulated, largest of {len(errors)} settings; in theory {len(moving)} of {len(found)} settings are shown not to be stationary"
    return Row(
        "training error at the end, over-parametrised",
        "vanishes; noise is measured by the distance between two replicas",
        f"{min(errors.values()):.2g} to {worst:.2g}",
        Verdict(worst <= _VANISHED, "interpolation", text),
    )


def lag_row(found: Mapping[str, EffectiveTemperature]) -> Row:
    """In how many settings the temperature depends on the lag; the abstract does not say.

    Args:
        found: setting -> temperature.
    """
    ratios = {
        name: one.short.value / one.long.value
        for name, one in found.items()
        if one.short is not None and one.long is not None
    }
    several = [name for name, one in found.items() if one.verdict.kind == "no_single_temperature"]
    ours = f"{min(ratios.values()):.2g} to {max(ratios.values()):.2g}" if ratios else "none"
    text = f"{len(several)} of {len(found)} settings have no single temperature within 10 %: quote it with its lag"
    return Row(
        "T at lag 1 over T at the longest lag",
        "one temperature, from the fluctuation-dissipation theorem",
        ours,
        Verdict(None, "lag", text),
    )


def monotone_row(quantity: str, paper: str, ordered: Mapping[str, Estimate | None], *, rising: bool) -> Row:
    """Whether a number grows, or falls, from each setting to the next, intervals apart.

    Args:
        quantity: what it is.
        paper: what the abstract says.
        ordered: setting -> number, in the order of what is changed.
        rising: or falling.
    """
    known = {name: one for name, one in ordered.items() if one is not None}
    steps = [(low, high) if rising else (high, low) for low, high in pairwise(known.values())]
    apart = [bool(above.low > below.high) for below, above in steps]
    against = [bool(above.high < below.low) for below, above in steps]
    missing = len(known) < len(ordered) or len(steps) < 1
    holds = False if any(against) else True if all(apart) and not missing else None
    word = "grows" if rising else "falls"
    text = f"{word} in {sum(apart)} of {len(ordered) - 1} steps beyond the intervals"
    text += f", against that in {sum(against)}" if any(against) else ""
    return Row(quantity, paper, _said(known), Verdict(holds, "monotone", text))


def hotter_row(quantity: str, paper: str, hot: Mapping[str, Estimate | None], cold: Estimate | None) -> Row:
    """Whether every one of several settings is hotter than another, intervals apart.

    Args:
        quantity: what is compared.
        paper: what the abstract says.
        hot: setting -> temperature expected to be the higher.
        cold: temperature expected to be the lower.
    """
    known = {name: one for name, one in hot.items() if one is not None}
    if cold is None or not known:
        return Row(quantity, paper, "none", Verdict(None, "hotter", "no temperature could be given"))
    ratios = [float(one.value / cold.value) for one in known.values()]
    colder = [name for name, one in known.items() if one.high < cold.low]
    apart = len(known) == len(hot) and all(bool(one.low > cold.high) for one in known.values())
    holds = False if colder else True if apart else None
    text = f"{min(ratios):.3g} to {max(ratios):.3g} times as hot"
    text += f"; colder: {', '.join(colder)}" if colder else ""
    return Row(quantity, paper, _said({"SGD": cold, **known}), Verdict(holds, "hotter", text))


def order_row(
    quantity: str, paper: str, one: Mapping[str, Estimate | None], other: Mapping[str, Estimate | None]
) -> Row:
    """Whether two numbers put settings in the same order, among the pairs that both tell apart.

    Args:
        quantity: what is compared.
        paper: what the abstract says.
        one: setting -> number.
        other: the same settings -> the other number.
    """
    names = [name for name in one if one[name] is not None and other.get(name) is not None]
    pairs = list(combinations(names, 2))
    signs = {pair: (_sign(one, *pair), _sign(other, *pair)) for pair in pairs}
    decided = [pair for pair, both in signs.items() if all(both)]
    against = [pair for pair in decided if signs[pair][0] != signs[pair][1]]
    ours = f"{len(decided) - len(against)} of {len(decided)} pairs in the same order"
    text = f"of {len(pairs)} pairs, both measures tell {len(decided)} apart"
    if against:
        text += "; opposite: " + "; ".join(f"{first} and {second}" for first, second in against[:3])
        text += f" and {len(against) - 3} more" if len(against) > 3 else ""
    holds = False if against else True if decided else None
    return Row(quantity, paper, ours, Verdict(holds, "order", text))


def wider_row(quantity: str, paper: str, widths: Mapping[str, Array], distances: Mapping[str, Array]) -> Row:
    """Whether settings with a larger replica distance have a wider boundary, by differences on the same data.

    Args:
        quantity: what is compared.
        paper: what the abstract says.
        widths: setting -> width, `(draw,)`, draws shared.
        distances: the same settings -> distance, `(draw,)`.
    """
    decided, against, least = 0, [], None
    for first, second in combinations(widths, 2):
        apart = mean_over_draws(distances[second] - distances[first])
        wider = mean_over_draws(widths[second] - widths[first])
        if not (_clear(apart) and _clear(wider)):
            continue
        decided += 1
        if _clear(apart) != _clear(wider):
            against.append(f"{first} and {second}")
        elif least is None or abs(wider.value) < abs(least.value):
            least = wider
    pairs = len(widths) * (len(widths) - 1) // 2
    text = f"of {pairs} pairs, {decided} differ in distance and width beyond their intervals, {len(against)} against"
    text += f": {'; '.join(against[:3])}" if against else ""
    text += f"; smallest difference of width {number_text(_positive(least))}" if least is not None else ""
    holds = False if against else True if decided else None
    return Row(
        quantity,
        paper,
        f"{decided - len(against)} of {decided} pairs",
        Verdict(holds, "wider_boundary", text),
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """A quantity of theory and of simulation.

    Attributes:
        name: of the quantity and its setting.
        theory: one a solution.
        simulation: one a draw of the data.
    """

    name: str
    theory: Array
    simulation: Array


def agreement_row(quantity: str, compared: Sequence[Comparison]) -> Row:
    """The largest difference in standard errors, and how probable it is as the largest of so many (Bonferroni).

    Args:
        quantity: what is compared.
        compared: quantities; those with numbers missing are left out and counted.
    """
    known = [
        one
        for one in compared
        if np.isfinite(one.theory).all() and np.isfinite(one.simulation).all() and len(one.simulation) > 1
    ]
    if not known:
        return Row(quantity, "not stated", "none", Verdict(None, "agreement", "nothing could be compared"))
    chances = [welch(one.theory, one.simulation) for one in known]
    place = int(np.argmin(chances))
    worst = known[place]
    size = -float(ndtri(max(chances[place], 1e-300) / 2))
    off = worst.simulation.mean() / worst.theory.mean() - 1
    together = min(1.0, chances[place] * len(known))
    text = f"{worst.name}: simulation {100 * off:+.2g} % from theory; by chance {together:.2g} among {len(known)}"
    left = len(compared) - len(known)
    text += f"; {left} could not be compared" if left else ""
    return Row(quantity, "not stated", f"worst z {size:.2f}", Verdict(together > _CHANCE, "agreement", text))


def _sign(of: Mapping[str, Estimate | None], first: str, second: str) -> int:
    """1 if the second is larger, −1 if smaller, 0 if the intervals meet."""
    one, other = of[first], of[second]
    assert one is not None
    assert other is not None
    return int(other.low > one.high) - int(other.high < one.low)


def _clear(difference: Estimate) -> int:
    """Sign of a difference, 0 if its interval holds 0."""
    return int(difference.low > 0) - int(difference.high < 0)


def _positive(difference: Estimate) -> Estimate:
    low, high = difference.interval
    return difference if difference.value > 0 else Estimate(-difference.value, (-high, -low))


def _said(known: Mapping[str, Estimate]) -> str:
    return "; ".join(f"{name} {number_text(one)}" for name, one in known.items()) or "none"


def _range(known: Mapping[str, Estimate]) -> str:
    if not known:
        return "none"
    ordered = sorted(known.items(), key=lambda entry: float(entry[1].value))
    return " to ".join(f"{number_text(one)} ({name})" for name, one in (ordered[0], ordered[-1]))
