"""How many times sooner training arrives, which never comes without what censoring leaves open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.advisor.wording import with_interval
from thermograd.estimators.first_passage import extrapolated_mean, restricted_mean
from thermograd.estimators.first_passage_times import FirstPassageTimes
from thermograd.numerics.bootstrap import percentile_interval
from thermograd.quantities import Estimate, Prediction

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpeedUp:
    """A speed-up as far as the data go; there is no single number, hence no conversion to float.

    Attributes:
        at_least: restricted mean over predicted mean: a lower bound if runs are censored.
        extrapolated: mean with an exponential tail over predicted mean, possibly infinite.
        censored_fraction: share of unperturbed runs that never arrived.
        horizon: how long they were watched.
        unit: unit of the horizon.

    >>> print(SpeedUp(Estimate(8.4, (7.8, 9.0)), Estimate(34.7, (26.0, 48.0)), 0.29, 200))
    ≥ 8.4 (7.8–9) from the 200 epochs seen; 34.7 (26–48) if the tail is exponential; 29 % of unperturbed runs never arrived
    """

    at_least: Estimate
    extrapolated: Estimate
    censored_fraction: float
    horizon: int
    unit: str = "epoch"

    def __str__(self) -> str:
        if np.ndim(self.at_least.value):
            return f"speed-up curve of {np.size(self.at_least.value)} intervals; {self._censoring()}"
        seen = f"{with_interval(self.at_least)} from the {self.horizon} {self.unit}s seen"
        if not self.censored_fraction:
            return f"{seen}; every run arrived"
        return f"≥ {seen}; {with_interval(self.extrapolated)} if the tail is exponential; {self._censoring()}"

    def _censoring(self) -> str:
        if not self.censored_fraction:
            return "every run arrived"
        share = 100 * self.censored_fraction
        return f"{share:.{0 if share >= 10 else 1}f} % of unperturbed runs never arrived"


def speed_up(
    passages: FirstPassageTimes,
    prediction: Prediction | Estimate,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> SpeedUp:
    """Unperturbed mean first-passage time over a predicted one.

    Resamples are divided one by one. Those of a prediction from `survival_function(passages, seed=seed)` are
    paired with the ones drawn here, so what both have in common cancels.

    Args:
        passages: first-passage times of the unperturbed runs.
        prediction: predicted mean under a perturbation, one number or a curve over intervals.
        level: two-sided confidence.
        resamples: bootstrap resamples of the passages, at least 1.
        seed: seed of the resamples.

    Returns:
        Both ratios, with what censoring leaves open.

    Raises:
        ConfigError: no run, or wrong arguments of the bootstrap.

    >>> result = speed_up(FirstPassageTimes([10, 30], [True, True], 40), Prediction(4.0))
    >>> float(result.at_least.value), result.censored_fraction
    (5.0, 0.0)
    """
    return speed_up_of(
        passages,
        restricted_mean(passages, level=level, resamples=resamples, seed=seed),
        extrapolated_mean(passages, level=level, resamples=resamples, seed=seed),
        prediction,
    )


def speed_up_of(
    passages: FirstPassageTimes,
    restricted: Estimate,
    extrapolated: Estimate,
    prediction: Prediction | Estimate,
) -> SpeedUp:
    """`speed_up` from means that are already there, their resamples paired with those of the prediction."""
    return SpeedUp(
        _ratio(restricted, prediction),
        _ratio(extrapolated, prediction),
        passages.censored_fraction,
        passages.horizon,
        passages.unit,
    )


def _ratio(mean: Estimate, prediction: Prediction | Estimate) -> Estimate:
    value = _divided(np.asarray(mean.value), np.asarray(prediction.value))
    above = np.asarray(mean.samples)
    below = np.asarray(prediction.value)[None] if prediction.samples is None else prediction.samples
    count = above.shape[0] if prediction.samples is None else min(above.shape[0], below.shape[0])
    above = above[:count].reshape(count, *[1] * (below.ndim - 1))
    samples = _divided(above, below[:count])
    low, high = percentile_interval(samples, mean.level)
    if np.isinf(mean.value):
        # No arrival in the tail: the resamples are all infinite, the finite lower end is that of the mean.
        slowest = prediction.value if prediction.interval is None else prediction.interval[1]
        low, high = _divided(np.asarray(mean.low), np.asarray(slowest)), np.full_like(high, np.inf)
    ratio = Estimate(value, (low, high), level=mean.level, pieces=mean.pieces, samples=samples)
    return ratio if value.ndim else replace(ratio, value=float(value), interval=(float(low), float(high)))


def _divided(above: Array, below: Array) -> Array:
    """The ratio, 0 wherever the prediction is infinite: then nothing is gained."""
    above, below = np.broadcast_arrays(above, below)
    endless = np.isinf(below)
    return np.where(endless, 0.0, np.where(endless, 1.0, above) / np.where(endless, 1.0, below))
