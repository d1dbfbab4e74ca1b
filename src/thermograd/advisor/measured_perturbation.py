"""What one perturbation did, measured at one interval or several, and the means it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import CensoredError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    Plateau,
    mean_residual_time,
    plateau_test,
    residual_times,
)
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Prediction, Verdict
from thermograd.theory.first_passage import perturbed_mean

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class MeasuredPerturbation:
    """What one perturbation did.

    Attributes:
        passages: times from the perturbation at `interval` to arrival.
        residual: their mean; the restricted mean, a lower bound, if some never arrived.
        interval: P*, the largest interval after which every run arrived, if there is one.
        relaxation: from when on the survivors are quasi-steady, 0 if that could not be established.
        relaxed: how that was decided.
        residuals: mean residual time by interval, of all intervals after which every run arrived.
        plateau: whether these are one number; None with fewer than two.
        left_out: residual times by interval of which some never arrived, while those of others all did.
    """

    passages: FirstPassageTimes
    residual: Estimate
    interval: int
    relaxation: float
    relaxed: Verdict
    residuals: Mapping[int, Estimate] = field(default_factory=dict)
    plateau: Plateau | None = None
    left_out: Mapping[int, FirstPassageTimes] = field(default_factory=dict)

    @property
    def optimistic(self) -> bool:
        """Whether the residual time is a lower bound only."""
        return self.passages.censored_fraction > 0

    @property
    def flat(self) -> bool | None:
        """Whether the residual times are one number, at least within 30 %; None if that was not decided."""
        return None if self.plateau is None else self.plateau.verdict.holds

    @property
    def since(self) -> float:
        """From when on Eq. 9 may be used; infinite where the plateau is refuted.

        A tested plateau is what it needs; survivors that have relaxed imply one, so the earlier of the two. With
        neither nothing is known of other intervals than P*, where Eq. 9 is the identity of Eq. 3.
        """
        if self.flat is False:
            return float("inf")
        if self.flat is None or self.plateau is None:
            return max(self.relaxation if self.settled else float(self.interval), self.fits_from)
        tested = float(min(self.plateau.intervals))
        relaxed = self.relaxation if self.relaxed.holds is True else tested
        return max(min(tested, relaxed), self.fits_from)

    @property
    def settled(self) -> bool:
        """Whether the survivors are known to have relaxed by P*."""
        return self.relaxed.holds is True and self.relaxation <= self.interval

    @property
    def fits_from(self) -> float:
        """From when on a residual time fits into an interval: tau at P*, and beyond any that did not fit its own."""
        blown = [interval for interval, one in self.residuals.items() if float(one.value) >= interval]
        tau = float(self.residual.value)
        return tau if self.plateau is None else max([tau, *(interval + 1.0 for interval in blown)])

    def curve(self, survival: Estimate) -> Prediction:
        """Predicted mean against the interval, 1 to P*.

        Eq. 9 with the residual time at P*, valid from `since` on. With several intervals the measured ones
        have Eq. 3 with their own residual time instead, an identity that needs neither relaxation nor
        plateau; valid where that exceeds it, as runs perturbed only once tell nothing of a second
        perturbation that comes before the first has worked.

        Args:
            survival: survival function of the unperturbed runs, with samples.

        Returns:
            The curve, with samples.
        """
        nine = perturbed_mean(survival, self.residual, measured_at=self.interval)
        at = np.asarray(nine.at)
        valid = at >= self.since
        own = [interval for interval in sorted(self.residuals) if interval <= at[-1]]
        if self.plateau is None or not own:
            return replace(nine, valid=valid)
        three = perturbed_mean(survival, _stacked([self.residuals[interval] for interval in own]), own)
        value, samples = np.array(nine.value), np.array(nine.samples)
        place = np.searchsorted(at, own)
        value[place], samples[:, place] = three.value, three.samples
        valid[place] = [interval > float(self.residuals[interval].value) for interval in own]
        rests_on = f"{three.rests_on} where that was measured, elsewhere {nine.rests_on}"
        band = percentile_interval(samples, pieces=min(survival.pieces, self.pieces))
        return Prediction(value, band, at, valid, rests_on, samples)

    @property
    def pieces(self) -> int:
        """The fewest perturbed runs any residual time rests on."""
        return int(min([len(self.passages), *(one.pieces for one in self.residuals.values())]))

    def fits(self, at: Array) -> npt.NDArray[np.bool_]:
        """Where Eq. 9 may be tried: where the residual time fits, unless the plateau is refuted.

        Args:
            at: intervals.

        Returns:
            One truth value each.
        """
        return (at >= self.fits_from) & (self.flat is not False)

    def usable(self, at: Array) -> npt.NDArray[np.bool_]:
        """Where a prediction is a bet worth one test: where tau fits unless the plateau is refuted, or P measured.

        Args:
            at: intervals.

        Returns:
            One truth value each.
        """
        return self.fits(at) | (np.isin(at, list(self.residuals)) & (self.plateau is not None))


def measured_residuals(
    kicked: Mapping[int, FirstPassageTimes], resamples: int, seed: int
) -> tuple[dict[int, Estimate], dict[int, FirstPassageTimes]]:
    """Mean residual times of one perturbation, and the residual times of which no mean is known.

    Args:
        kicked: first-passage times by interval, of runs perturbed then, some alive at it.
        resamples: bootstrap resamples, at least 1.
        seed: seed of the resamples.

    Returns:
        The mean by interval where every run arrived, and the residual times by interval of the others.
    """
    means, censored, last = {}, {}, max(kicked)
    for interval, passages in sorted(kicked.items()):
        # Runs at two intervals are unrelated, so their resamples must be, even if their counts agree.
        its_seed = seed if interval == last else seed + interval
        try:
            means[interval] = mean_residual_time(passages, interval, resamples=resamples, seed=its_seed)
        except CensoredError:
            censored[interval] = residual_times(passages, interval)
    return means, censored


def tested_plateau(means: Mapping[int, Estimate]) -> Plateau | None:
    """The plateau test of two or more mean residual times; None of fewer.

    Args:
        means: mean residual time by interval.

    Returns:
        The test.

    >>> tested_plateau({10: Estimate(3.0, (2.0, 4.0))}) is None
    True
    """
    return plateau_test(means) if len(means) > 1 else None


def _stacked(residuals: list[Estimate]) -> Estimate:
    value = np.array([float(one.value) for one in residuals])
    samples = np.stack([np.asarray(one.samples) for one in residuals], axis=1)
    return Estimate(value, percentile_interval(samples), samples=samples)
