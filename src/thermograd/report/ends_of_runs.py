"""What trajectories of several runs have at the last time that all of them reached, and which runs differ there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from thermograd.quantities import Estimate
from thermograd.report.differences import mean_of
from thermograd.report.ranking import number_text
from thermograd.store.known_values import known_values
from thermograd.store.run import Run

Array = npt.NDArray[Any]
_MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class EndsOfRuns:
    """One scalar of several runs at one time.

    Attributes:
        time: in `unit`, the last that every run has reached with any record.
        unit: "epoch" or "step".
        values: by run, `(trajectory,)`; NaN where a trajectory diverged or has no record.
        seeds: by run; trajectories of equal seeds began alike and are compared pair by pair.
    """

    time: float
    unit: str
    values: Mapping[str, Array]
    seeds: Mapping[str, int]

    @property
    def means(self) -> dict[str, Estimate]:
        """By run, the mean with the interval of Student's t."""
        return {label: mean_of(values) for label, values in self.values.items()}

    def difference(self, one: str, other: str, level: float = 0.95) -> Estimate:
        """Mean of `other` minus mean of `one`.

        Between runs of one seed and one number of trajectories of the differences within each pair, which common
        random numbers make small; otherwise of independent runs, with the degrees of freedom of Welch (1947).
        """
        first, second = self.values[one], self.values[other]
        if self.paired(one, other):
            return mean_of(second - first, level)
        (a, b) = (values[np.isfinite(values)] for values in (first, second))
        middle = float(b.mean() - a.mean()) if a.size and b.size else float("nan")
        if min(a.size, b.size) < 2:
            return Estimate(middle, (float("nan"), float("nan")), level)
        parts = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
        total = float(parts.sum())
        degrees = total**2 / float((parts**2 / [a.size - 1, b.size - 1]).sum()) if total else 1.0
        half = float(stdtrit(degrees, 0.5 + level / 2)) * total**0.5
        return Estimate(middle, (middle - half, middle + half), level)

    def paired(self, one: str, other: str) -> bool:
        """Whether trajectory k of both runs began alike."""
        return self.seeds[one] == self.seeds[other] and self.values[one].size == self.values[other].size

    def sentence(self) -> str:
        """All means, and which run ends above which, or that the data cannot decide; all pairs held to 95 % together."""
        means = {label: mean for label, mean in self.means.items() if np.isfinite(mean.value)}
        if len(means) < 2:
            return f"Fewer than two runs have a value at {self.unit} {self.time:g}: nothing can be compared."
        order = sorted(means, key=lambda label: float(means[label].value))
        pairs = list(combinations(order, 2))
        level = 1 - 0.05 / len(pairs)
        gaps = [self.difference(one, other, level) for one, other in pairs]
        apart = sum(gap.low > 0 or gap.high < 0 for gap in gaps)
        named = order if len(order) <= _MOST_NAMED else [order[0], order[-1]]
        shown = (", ..., " if len(named) < len(order) else ", ").join(
            f"{label}: {number_text(means[label])}" for label in named
        )
        widest = self.difference(order[0], order[-1], level)
        how = ", trajectory by trajectory" if self.paired(order[0], order[-1]) else ""
        if widest.low > 0:
            text = f"{order[-1]} ends above {order[0]} by {number_text(widest)}{how}"
        else:
            text = (
                f"Whether they differ, the data cannot decide (largest difference {number_text(widest)}{how})"
            )
        of_pairs = f"; of {len(pairs)} pairs {apart} differ" if len(pairs) > 1 else ""
        return f"At {self.unit} {self.time:g}: {shown}. {text}{of_pairs}."


def ends_of_runs(
    runs: Mapping[str, Run], name: str, unit: str, scales: Mapping[str, int]
) -> EndsOfRuns | None:
    """One scalar of several runs at the last time that all of them reached.

    Args:
        runs: label -> run; those that have no record of it at all are left out.
        name: the scalar.
        unit: of the time.
        scales: by run, steps in one unit.

    Returns:
        None if no run has any record.
    """
    known = {label: _known(run, name) for label, run in runs.items() if name in run.scalars}
    known = {label: steps for label, steps in known.items() if steps.size}
    if not known:
        return None
    time = min(float(steps[-1]) / scales[label] for label, steps in known.items())
    values = {}
    for label, steps in known.items():
        run = runs[label]
        # A hair of tolerance: 599.9999 steps in epochs and back are 600.
        place = int(np.searchsorted(steps, time * scales[label] * (1 + 1e-12), side="right")) - 1
        column = known_values(run, name, times=slice(max(place, 0), max(place, 0) + 1))[:, 0].astype(
            np.float64
        )
        column[run.diverged_at >= 0] = np.nan
        values[label] = column
    return EndsOfRuns(time, unit, values, {label: runs[label].seed for label in known})


def _known(run: Run, name: str) -> npt.NDArray[np.int64]:
    """Record times that some block has reached."""
    steps: npt.NDArray[np.int64] = run.times(name)
    return steps[: int(np.searchsorted(steps, run.committed.max(initial=-1), side="right"))]
