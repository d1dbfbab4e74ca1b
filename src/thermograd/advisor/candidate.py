"""One alternative of the advice: what to do, how often, and when it is predicted to arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermograd.advisor.speed_up import SpeedUp
from thermograd.advisor.wording import every, with_interval
from thermograd.quantities import Estimate


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to train on, and the mean first-passage time it is predicted to have.

    Attributes:
        name: the perturbation; "nothing" leaves training alone, "reset" restarts it from scratch.
        interval: the best interval within the valid range; None for "nothing", or if there is none.
        predicted_mean: mean first-passage time at that interval. For "nothing" the restricted mean, which
            favours it; infinite without an interval.
        mean_residual_time: after one perturbation; None for "nothing" and "reset", which need none.
        speed_up: over training unperturbed; None for "nothing", where there is no interval, and where the
            predicted mean is a lower bound: a mean over a bound bounds the speed-up from neither side.
        probability_of_being_best: share of the joint resamples in which its mean is the smallest; no more
            than that if the mean is a lower bound.
        usable_interval: the best interval of the wider range P >= mean residual time, where the prediction
            is a bet worth one test.
        usable_mean: the predicted mean there.
        optimistic: whether the predicted mean is a lower bound only, since some runs never arrived.
        verified: whether the mean was measured at that interval, by perturbing fresh runs that often.

    >>> mean = Estimate(8.35, (7.9, 8.8), unit="epoch")
    >>> print(Candidate("short", 5, mean, None, None, 0.9, None, None, optimistic=True))
    short every 5 epochs: at least 8.35 (7.9–8.8) epochs (best in at most 90 % of resamples; no speed-up can be stated: its mean is a lower bound)
    """

    name: str
    interval: int | None
    predicted_mean: Estimate
    mean_residual_time: Estimate | None
    speed_up: SpeedUp | None
    probability_of_being_best: float
    usable_interval: int | None
    usable_mean: Estimate | None
    optimistic: bool = False
    verified: bool = False

    def __str__(self) -> str:
        unit = self.predicted_mean.unit
        how = f"{self.name} {every(self.interval, unit)}" if self.interval else self.name
        if not np.isfinite(self.predicted_mean.value):
            return f"{how}: no interval at which it would arrive ({self.chances()})"
        expected = f"{'at least ' if self.optimistic else ''}{with_interval(self.predicted_mean)} {unit}s"
        expected += " by brute force" if self.verified else ""
        gain = f"; {self.gain()}" if self.interval else ""
        return f"{how}: {expected} ({self.chances()}{gain})"

    def chances(self) -> str:
        """How often it is the best, in words."""
        most = "at most " if self.optimistic else ""
        return f"best in {most}{100 * self.probability_of_being_best:.3g} % of resamples"

    def gain(self) -> str:
        """The speed-up in words, or why there is none."""
        if self.speed_up is not None:
            return f"speed-up {self.speed_up}"
        if self.interval is None:
            return "–"
        return "no speed-up can be stated: its mean is a lower bound"
