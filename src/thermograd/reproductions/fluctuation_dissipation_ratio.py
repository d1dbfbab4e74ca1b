"""Does O_L / O_R tend to 1, and does that take longer at smaller learning rates? Rows and figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy import special

from thermograd.estimators.fluctuation_dissipation import half_running_average, ratio
from thermograd.quantities import Estimate, Verdict
from thermograd.report.equilibration import equilibration
from thermograd.report.figure import Figure
from thermograd.report.half_running import BothSides, both_sides, several_rates
from thermograd.report.watched_training import WatchedTraining
from thermograd.reproductions.fluctuation_dissipation_training import Recorded, Training, sequence
from thermograd.reproductions.reproduction import Row, Settings

TOLERANCE = 0.1
_LONGER = "relaxation takes longer at smaller η"
_WIDEST = 0.25
_RELAXED = 14.0
"""Relaxation times of the weight decay after which a ratio that is not 1 contradicts."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which trainings are run.

    Attributes:
        training: what is trained.
        what: network and data in a few words, for every row.
        details: the rest of what was trained, for the page.
        rates: learning rates, each from where the last one ended.
        epochs: how many at each.
        seeds: how many trainings.
        gradients: measure the gradient of the whole training set at epoch ends.
    """

    training: Training
    what: str
    details: str
    rates: tuple[float, ...]
    epochs: tuple[int, ...]
    seeds: int = 1
    gradients: bool = False

    @property
    def size(self) -> str:
        """What was trained and for how long, for a row."""
        epochs = self.epochs[0] if len(set(self.epochs)) == 1 else f"{min(self.epochs)} to {max(self.epochs)}"
        each = " at each rate" if len(self.rates) > 1 else ""
        seeds = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{self.what}, {epochs} epochs{each}, {seeds}"

    def run(self, settings: Settings) -> list[list[Recorded]]:
        """Train every seed.

        Args:
            settings: `say` is told what is being done.

        Returns:
            One list over rates per seed.
        """
        found = []
        for seed in range(self.seeds):
            rates = ", ".join(f"{rate:g}" for rate in self.rates)
            settings.say(f"training {self.size}: seed {seed + 1} of {self.seeds}, learning rates {rates}")
            rows = sequence(
                self.training,
                self.rates,
                self.epochs,
                seed=settings.seed + seed,
                gradients=self.gradients,
            )
            found.append(list(rows))
        return found


def ratio_rows(plan: Plan, runs: Sequence[Sequence[Recorded]]) -> Iterator[Row]:
    """O_L / O_R at every rate: about the origin as in the paper, and about where the weights were.

    Args:
        plan: what was trained.
        runs: seeds, of rates.

    Yields:
        Two rows a rate.
    """
    for place, rate in enumerate(plan.rates):
        here = [run[place] for run in runs]
        sides = [
            np.stack([getattr(entry, name) for entry in here]) for name in ("dissipation", "fluctuation")
        ]
        found = ratio(*sides, steps_per_epoch=plan.training.steps_per_epoch)
        relaxations = len(here[0].loss) * rate * plan.training.weight_decay / (1 - plan.training.momentum)
        name = f"O_L / O_R {{centre}}, η = {rate:g}; {plan.size}"
        yield Row(name.format(centre="about the origin"), "tends to 1", found, _near_1(found, relaxations))
        anchored = [entry.anchored for entry in here if entry.anchored is not None]
        if anchored:
            mean = anchored[0] if len(anchored) == 1 else over_seeds([entry.value for entry in anchored])
            words = ", ".join(dict.fromkeys(entry.verdict.kind.replace("_", " ") for entry in here))
            verdict = _near_1(mean, relaxations)
            text = f"{verdict.text}; the watch says: {words}"
            centre = "about where the weights were"
            yield Row(
                name.format(centre=centre), "tends to 1", mean, Verdict(verdict.holds, verdict.kind, text)
            )


def relaxation_row(plan: Plan, runs: Sequence[Sequence[Recorded]]) -> Iterator[Row]:
    """How the time until O_L / O_R, half-running, stays within 10 % of 1 changes with the learning rate.

    A run that has not settled when its rate ends counts with that time, which pulls the exponent to 0.

    Args:
        plan: what was trained.
        runs: seeds, of rates.

    Yields:
        The exponent b of (settling time) ~ η^b, for two rates and two seeds or more.
    """
    if len(plan.rates) < 2 or len(runs) < 2:
        return
    settled = np.array([[settling_step(entry) for entry in run] for run in runs])
    times = np.minimum(settled, [len(entry.loss) for entry in runs[0]])
    quantity = f"exponent of the time until O_L / O_R stays within 10 % of 1, against η; {plan.size}"
    never = int(np.isinf(settled).sum())
    text = f"{never} of {settled.size} had not settled when their rate ended" if never else "all settled"
    if 2 * never > settled.size:
        text = f"not resolved at this size: {text}"
        yield Row(quantity, _LONGER, "no exponent", Verdict(None, "relaxation", text))
        return
    slopes = [float(np.polyfit(np.log(plan.rates), np.log(row), 1)[0]) for row in times]
    found = over_seeds([round(slope, 9) for slope in slopes])  # of equal times the slope is 0, not -1e-15
    holds: bool | None = None
    if found.high < 0:
        holds, text = True, f"longer at smaller rates; {text}"
    elif found.low > 0:
        holds, text = False, f"shorter at smaller rates; {text}"
    else:
        text = f"not resolved at this size: the interval includes 0; {text}"
    yield Row(quantity, _LONGER, found, Verdict(holds, "relaxation", text))


def settling_step(entry: Recorded) -> float:
    """Step from which the ratio of half-running averages stays within 10 % of 1, looked at at epoch ends.

    Args:
        entry: recorded at one rate.

    Returns:
        Infinite if it is outside at the end.
    """
    ends = slice(entry.steps_per_epoch - 1, None, entry.steps_per_epoch)
    left, right = (half_running_average(side)[ends] for side in (entry.dissipation, entry.fluctuation))
    outside = np.flatnonzero(np.abs(left / right - 1) >= TOLERANCE)
    last = int(outside[-1]) + 1 if outside.size else 0
    return math.inf if last == len(left) else float((last + 1) * entry.steps_per_epoch)


def over_seeds(values: Sequence[float], note: str = "") -> Estimate:
    """The mean of independent numbers with Student's t interval at 95 %; no interval for one alone.

    >>> print(over_seeds([1.0, 2.0, 3.0]))
    2 (-0.4841 to 4.484 at 95 %), from 3 pieces
    """
    numbers = np.asarray(values, float)
    mean, count = float(numbers.mean()), len(numbers)
    if count < 2:
        return Estimate(mean, (math.nan, math.nan), pieces=count, note=note or "one seed, so no interval")
    half = float(special.stdtrit(count - 1, 0.975)) * float(numbers.std(ddof=1)) / math.sqrt(count)
    return Estimate(mean, (mean - half, mean + half), pieces=count, note=note)


def figures(runs: Sequence[Sequence[Recorded]]) -> list[Figure]:
    """Both sides at the first rate, at all rates, and what the watch made of it, of the first seed.

    Args:
        runs: seeds, of rates.
    """
    first = [
        BothSides(entry.learning_rate, entry.loss, entry.dissipation, entry.fluctuation) for entry in runs[0]
    ]
    drawn = [both_sides(first[0])]
    if len(first) > 1:
        drawn.append(several_rates(first))
    return [*drawn, equilibration(WatchedTraining(list(chain(*(entry.history for entry in runs[0])))))]


def _near_1(found: Estimate, relaxations: float) -> Verdict:
    """Whether a ratio is 1, as far as this training can tell."""
    trained = f"trained for {relaxations:.2g} times the relaxation time 1/(ηλ) of the weight decay"
    low, high = found.low - 1, found.high - 1
    if max(abs(low), abs(high)) < TOLERANCE:
        return Verdict(True, "ratio_is_1", f"within {100 * TOLERANCE:g} % of 1; {trained}")
    if low > TOLERANCE or high < -TOLERANCE:
        if relaxations < _RELAXED:
            text = f"not resolved at this size: not there yet, {trained}"
            return Verdict(None, "ratio_not_resolved", text)
        return Verdict(False, "ratio_is_not_1", f"more than {100 * TOLERANCE:g} % from 1, {trained}")
    if not low <= 0 <= high:
        text = f"not resolved at this size: near 1, but not within {100 * TOLERANCE:g} % of it; {trained}"
        return Verdict(None, "ratio_not_resolved", text)
    if high - low < 2 * _WIDEST:
        return Verdict(True, "ratio_is_1", f"1 lies in the interval; {trained}")
    return Verdict(
        None, "ratio_not_resolved", f"not resolved at this size: the interval is too wide; {trained}"
    )
