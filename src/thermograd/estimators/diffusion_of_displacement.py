"""How the displacement grows with the lag at every waiting time: exponent and coefficient of diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_curves import DisplacementCurves, displacement_curves, two_ends
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.trajectory_pieces import checked_level, joined, student
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate
from thermograd.quantity_figure import figure_of

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]

_FEWEST = 4
_MOST_BLOCKS = 8


@dataclass(frozen=True, eq=False)
class Diffusion:
    """Δ = 2 D t^γ at every waiting time.

    Attributes:
        waiting_times: t_w, `(W,)`.
        exponent: γ, `(W,)`: 2 if consecutive updates are aligned, 1 if they are independent, below 1 if they turn back.
            NaN where fewer than 4 lags were measured.
        coefficient: D in squared weight per step^γ, `(W,)`.

    >>> lags = 2 ** np.arange(8)
    >>> turning_back = DisplacementTable([100], lags, 3 * np.sqrt(lags).reshape(1, 1, -1, 1), [1])
    >>> found = diffusion(turning_back, lags=(1, 100))
    >>> print(found, found.coefficient.value.round(9))
    diffusion: γ = 0.50 (0.50 to 0.50) at t_w = 100 (one run) [1.5]
    """

    waiting_times: Steps
    exponent: Estimate
    coefficient: Estimate

    def plot(self) -> Any:
        """Its figure, a `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure_of(self)

    def __str__(self) -> str:
        known = np.flatnonzero(np.isfinite(self.exponent.value))
        if not known.size:
            return f"no waiting time has {_FEWEST} lags in the window"
        ends = [
            f"γ = {self.exponent.value[place]:.2f} ({self.exponent.low[place]:.2f} to {self.exponent.high[place]:.2f}) "
            f"at t_w = {self.waiting_times[place]}"
            for place in dict.fromkeys((known[0], known[-1]))
        ]
        return "diffusion: " + ", ".join(ends) + (f" ({self.exponent.note})" if self.exponent.note else "")


def diffusion(
    table: DisplacementTable | Mapping[str, Any],
    *,
    lags: tuple[float | None, float | None] | str,
    group: int | str = 0,
    per: str = "parameter",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Diffusion:
    """The law Δ = 2 D t^γ of displacement with lag, fitted at every waiting time.

    Least squares of ln Δ on ln t. The errors of different lags are strongly correlated, so intervals come from resampled
    trajectories, or, of one run, from leaving out blocks of neighbouring lags, which sees the scatter about the law only.

    Args:
        table: of displacements.
        lags: first and last, either None; "short", t ≤ t_w/10; or "long", t ≥ t_w.
        group: position or name.
        per: see `DisplacementTable.mean_square`.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level: two-sided.

    Returns:
        Exponents and coefficients.

    Raises:
        ConfigError: a ValueError: lags that are no window, an unknown group, or nothing measured.

    >>> from thermograd.estimators.displacement_of_positions import mean_square_displacement
    >>> straight = mean_square_displacement(0.1 * np.arange(200.0)[:, None], np.arange(200), waiting_times=[100])
    >>> found = diffusion(straight, lags="short")  # Δ = 0.01 t²
    >>> found.exponent.value.round(9).tolist(), found.coefficient.value.round(9).tolist()
    ([2.0], [0.005])
    """
    checked_level(level)
    check_whole_number("resamples", resamples, 2, error=ConfigError)
    curves = displacement_curves(table, group=group, per=per)
    window = _window(lags, curves)
    gamma, logarithm = _fit(curves.mean, curves.lags, window)
    if curves.trajectories > 1:
        drawn = [
            _fit(curves.weighted(counts), curves.lags, window) for counts in curves.resampled(resamples, seed)
        ]
        pieces = np.full(gamma.shape, curves.trajectories)
        wider = np.sqrt(pieces / (pieces - 1))
        errors = [wider * _deviation(np.concatenate(parts)) for parts in zip(*drawn, strict=True)]
    else:
        pieces, *errors = _left_out(curves, window)
    # An error of a single piece is not known.
    reach = np.array([student(level, count) if count > 1 else np.inf for count in pieces])
    facts: dict[str, Any] = {
        "level": level,
        "pieces": float(curves.trajectories),
        "note": joined([curves.few(), curves.note]),
    }
    return Diffusion(
        curves.waiting_times,
        Estimate(gamma, (gamma - reach * errors[0], gamma + reach * errors[0]), **facts),
        Estimate(
            np.exp(logarithm) / 2,
            (np.exp(logarithm - reach * errors[1]) / 2, np.exp(logarithm + reach * errors[1]) / 2),
            unit="weight²/step^γ",
            **facts,
        ),
    )


def _window(lags: tuple[float | None, float | None] | str, curves: DisplacementCurves) -> Flags:
    """Which lags count at each waiting time, `(W, L)`."""
    time, waiting = curves.lags[None, :], curves.waiting_times[:, None]
    if isinstance(lags, str) and lags == "short":
        return np.asarray(10 * time <= waiting)
    if isinstance(lags, str) and lags == "long":
        return np.asarray(time >= waiting)
    if isinstance(lags, str):
        message = f"lags is {lags!r}; give (first, last) in steps, either None, or 'short' or 'long'"
        raise ConfigError(message)
    low, high = (
        end if end is not None else free
        for end, free in zip(two_ends("lags", lags, ", or 'short' or 'long'"), (0.0, np.inf), strict=True)
    )
    return np.asarray((time >= low) & (time <= high) & (waiting >= 0))


def _fit(deltas: Array, lags: Steps, window: Flags, fewest: int = _FEWEST) -> tuple[Array, Array]:
    """γ and ln(2D) of curves `(..., W, L)`, NaN where fewer lags than that count."""
    known = window & (deltas > 0)
    count = np.maximum(known.sum(axis=-1), 1)
    y = np.log(np.where(known, deltas, 1.0))
    x = np.where(known, np.log(lags), 0.0)
    middle, height = x.sum(axis=-1) / count, y.sum(axis=-1) / count
    away = np.where(known, x - middle[..., None], 0.0)
    power = np.square(away).sum(axis=-1)
    enough = known.sum(axis=-1) >= fewest
    slope = np.divide((away * y).sum(axis=-1), power, out=np.full_like(power, np.nan), where=enough)
    return slope, height - slope * middle


def _deviation(samples: Array) -> Array:
    """Standard deviation of resamples; infinite where one of them has no fit, as where trajectories stand still."""
    known = np.isfinite(samples).all(axis=0)
    return np.where(known, np.where(known, samples, 0.0).std(axis=0), np.inf)


def _left_out(curves: DisplacementCurves, window: Flags) -> tuple[Steps, Array, Array]:
    """Jackknife of one run, over blocks of neighbouring lags: number of blocks, standard errors of γ and ln D."""
    mean = curves.mean
    known = window & (mean > 0)
    pieces = np.zeros(len(known), np.int64)
    errors = np.full((2, len(known)), np.inf)
    for row, places in enumerate(map(np.flatnonzero, known)):
        blocks = np.array_split(places, min(_MOST_BLOCKS, places.size // 2)) if places.size > 3 else []
        left = []
        for block in blocks:
            kept = known[row].copy()
            kept[block] = False
            left.append(_fit(mean[row], curves.lags, kept, fewest=2))
        slopes = np.array(left).reshape(-1, 2)
        slopes = slopes[np.isfinite(slopes).all(axis=1)]
        pieces[row] = len(slopes)
        if len(slopes) > 1:
            errors[:, row] = np.sqrt(len(slopes) - 1) * slopes.std(axis=0)
    return pieces, errors[0], errors[1]
