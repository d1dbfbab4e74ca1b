"""One alternative of the advice: what to do, how often, and when it arrives, as predicted and as measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermograd.advisor.speed_up import SpeedUp
from thermograd.advisor.wording import every, with_interval
from thermograd.quantities import Estimate


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to train on, and its mean first-passage time, predicted and, where it was tried, measured.

    Attributes:
        name: the perturbation; "nothing" leaves training alone, "reset" restarts it from scratch.
        interval: the best interval within the valid range; None for "nothing", or if there is none.
        predicted_mean: mean first-passage time at that interval, as predicted; infinite without an interval, None
            if it was tried where nothing is predicted. For "nothing" the restricted mean, which favours it.
        mean_residual_time: after one perturbation; None for "nothing" and "reset", which need none.
        speed_up: of `ranked_mean`, over training unperturbed; None for "nothing", where there is no interval, and where
            the predicted mean is a lower bound: a mean over a bound bounds the speed-up from neither side.
        probability_of_being_best: share of the joint resamples in which its mean is the smallest; no more
            than that if the mean is a lower bound.
        usable_interval: the best interval of the wider range P >= mean residual time, where the prediction
            is a bet worth one test.
        usable_mean: the predicted mean there.
        optimistic: whether the predicted mean is a lower bound only, since some runs never arrived.
        measured_mean: the mean of fresh runs that were perturbed that often (brute force); None if it was not
            tried, or if a prediction that is clearly sooner stands against what was.

    >>> mean = Estimate(8.35, (7.9, 8.8), unit="epoch")
    >>> print(Candidate("short", 5, mean, None, None, 0.9, None, None, optimistic=True))
    short every 5 epochs: at least 8.35 (7.9–8.8) epochs (best in at most 90 % of resamples; no speed-up can be stated: its mean is a lower bound)
    """

    name: str
    interval: int | None
    predicted_mean: Estimate | None
    mean_residual_time: Estimate | None
    speed_up: SpeedUp | None
    probability_of_being_best: float
    usable_interval: int | None
    usable_mean: Estimate | None
    optimistic: bool = False
    measured_mean: Estimate | None = None

    @property
    def ranked_mean(self) -> Estimate:
        """What it is ranked by: the measured mean, the predicted one without.

        Raises:
            ValueError: it has neither.
        """
        known = self.measured_mean or self.predicted_mean
        if known is None:
            message = f"{self.name!r} has neither a measured nor a predicted mean; give one"
            raise ValueError(message)
        return known

    @property
    def verified(self) -> bool:
        """Whether its mean was measured at that interval, by perturbing fresh runs that often."""
        return self.measured_mean is not None

    def __str__(self) -> str:
        unit = self.ranked_mean.unit
        how = f"{self.name} {every(self.interval, unit)}" if self.interval else self.name
        if not np.isfinite(self.ranked_mean.value):
            return f"{how}: no interval at which it would arrive ({self.chances()})"
        expected = f"{'at least ' if self.optimistic else ''}{with_interval(self.ranked_mean)} {unit}s"
        expected += f" by brute force, {self._foretold()}" if self.verified else ""
        gain = f"; {self.gain()}" if self.interval else ""
        return f"{how}: {expected} ({self.chances()}{gain})"

    def _foretold(self) -> str:
        known = self.predicted_mean
        return "nothing was predicted" if known is None else f"predicted {with_interval(known)}"

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
