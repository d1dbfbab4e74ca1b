"""How long the weights take, from a waiting time on, to move by a given displacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_crossings import DisplacementCrossings
from thermograd.estimators.displacement_curves import DisplacementCurves, displacement_curves
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

AVERAGES = ("displacement", "each")


@dataclass(frozen=True, eq=False)
class CharacteristicTime:
    """First lags at which a displacement reaches a threshold.

    Attributes:
        waiting_times: t_w, `(W,)`.
        times: t* in steps, `(W,)`, or `(trajectory, W)`; NaN where it is censored.
        lower: the truth is not below this lag, of the shape of `times`.
        upper: nor above this one, likewise; infinite where the threshold is never reached.
        censored: whether it lies outside the lags that were measured, likewise.

    >>> lags = np.array([2, 4, 8])
    >>> walk = DisplacementTable([1], lags, lags.reshape(1, 1, 3, 1).astype(float), [1])  # Δ = t
    >>> for threshold in (1.0, 3.0, 9.0):
    ...     found = characteristic_time(walk, threshold)
    ...     found.times.round(9).tolist(), found.too_short.tolist(), found.too_long.tolist()
    ([nan], [True], [False])
    ([3.0], [False], [False])
    ([nan], [False], [True])
    """

    waiting_times: Steps
    times: Array
    lower: Array
    upper: Array
    censored: npt.NDArray[np.bool_]

    @property
    def too_long(self) -> npt.NDArray[np.bool_]:
        """Where the threshold is never reached."""
        return np.isinf(self.upper)

    @property
    def too_short(self) -> npt.NDArray[np.bool_]:
        """Where it is passed at the first lag already."""
        return self.censored & np.isfinite(self.upper)

    def __str__(self) -> str:
        seen = self.times[~self.censored]
        span = f"{seen.min():.4g} to {seen.max():.4g} steps" if seen.size else "none"
        ends = [
            f"{int(count.sum())} {what}"
            for count, what in ((self.too_long, "never reached"), (self.too_short, "passed at the first lag"))
            if count.any()
        ]
        return f"characteristic times at {self.times.shape[-1]} waiting times: " + ", ".join([span, *ends])


def characteristic_time(
    table: DisplacementTable | Mapping[str, Any],
    threshold: float,
    *,
    group: int | str = 0,
    per: str = "parameter",
    average: str = "displacement",
) -> CharacteristicTime:
    """The first lag t* at which the displacement reaches a threshold Δ*, for every waiting time.

    Linear in (ln t, ln Δ) between the first lag with Δ ≥ Δ* and the measured lag before it. A threshold that is never
    reached is censored on the right, in (longest lag measured, ∞); one that is passed at the first lag on the left, in
    (0, first lag). Lags that were not measured are skipped; a displacement of 0 has no logarithm and bounds t* only.

    Herrera Segura, Montoya and Tapias speak of the mean of t* over runs. Runs in which it is censored make that mean
    unknown, and leaving them out makes it too small; the default is t* of the mean of Δ.

    Args:
        table: of displacements.
        threshold: Δ*, positive, in the unit that `per` gives Δ.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        average: "displacement", t* of the mean of Δ; "each", t* of every trajectory.

    Returns:
        The times. Trajectories that diverged or are unfinished are left out.

    Raises:
        ConfigError: a ValueError: a threshold that is not positive, an unknown word or group, or nothing measured.

    >>> grid = np.array([1, 2, 4, 8])
    >>> walk = DisplacementTable([1, 10], grid, np.ones((1, 2, 1, 1)) * grid[:, None], [1])  # Δ = t
    >>> characteristic_time(walk, 3.0).times.round(12).tolist(), characteristic_time(walk, 9.0).lower.tolist()
    ([3.0, 3.0], [8.0, 8.0])
    """
    checked_average(average)
    curves = displacement_curves(table, group=group, per=per)
    checked_thresholds([_one_number(threshold)], curves)
    deltas = curves.each if average == "each" else curves.mean
    times, lower, upper = DisplacementCrossings(deltas, curves.lags).at(float(threshold))
    return CharacteristicTime(curves.waiting_times, times, lower, upper, np.isnan(times))


def _one_number(threshold: object) -> float:
    number = real_numbers("threshold", threshold)
    if number.shape != ():
        message = f"threshold is {threshold!r}; it must be one positive number"
        raise ConfigError(message)
    return float(number)


def checked_average(average: str) -> str:
    """The word itself, if it is "displacement" or "each".

    Raises:
        ConfigError: a ValueError: another word.
    """
    if not isinstance(average, str) or average not in AVERAGES:
        message = f"average is {average!r}; use 'displacement' (of the mean displacement) or 'each' (of every trajectory)"
        raise ConfigError(message)
    return average


def checked_thresholds(thresholds: npt.ArrayLike, curves: DisplacementCurves) -> Array:
    """Thresholds in increasing order, `(K,)`.

    Raises:
        ConfigError: a ValueError: none, or one that is not a positive number; says which displacements were measured.
    """
    levels = np.unique(real_numbers("thresholds", thresholds))
    if not levels.size or not (np.isfinite(levels) & (levels > 0)).all():
        low, high = curves.range
        message = f"threshold is {thresholds!r}; it must be positive. Displacements from {low:.3g} to {high:.3g} were measured"
        raise ConfigError(message)
    return levels
