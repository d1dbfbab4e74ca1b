"""The table of displacements of stored weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_numbers import whole_numbers

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

_PER_DECADE = 8
_NUMBERS_AT_ONCE = 2**22


def mean_square_displacement(
    positions: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    waiting_times: npt.ArrayLike | None = None,
    lags: npt.ArrayLike | None = None,
) -> DisplacementTable:
    """The table of displacements of weights that were stored along training.

    Σ_i (θ_i(t_w + t) − θ_i(t_w))² for every pair of stored times; divided by the number of parameters it is Eq 2 of
    Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks). Differences are taken in the type of the weights,
    at least float32, and their squares summed in float64.

    Args:
        positions: θ, `(trajectory, time, parameter)`, or `(time, parameter)` for one trajectory.
        times: steps at which they were stored, `(time,)`, increasing. Equally spaced ones make most pairs.
        waiting_times: t_w, `(W,)`; all stored times but the last if None.
        lags: t, `(L,)`; if None 8 per decade, in multiples of the greatest common divisor of the spacings.

    Returns:
        The table; pairs of which one time was not stored are NaN.

    Raises:
        ConfigError: a ValueError: shapes or times that do not fit, or no pair of times that was stored.

    >>> wave = mean_square_displacement([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]], [0, 10, 20])
    >>> wave.lags.tolist(), wave.squared[0, :, :, 0].tolist()
    ([10, 20], [[1.0, 25.0], [20.0, nan]])
    """
    points, steps = _checked(positions, times)
    anchors = (
        steps[:-1] if waiting_times is None else np.atleast_1d(whole_numbers("waiting_times", waiting_times))
    )
    spans = _spans(steps) if lags is None else np.atleast_1d(whole_numbers("lags", lags))
    squared, infinite = np.full((len(points), anchors.size, spans.size), np.nan), 0
    for place, lag in enumerate(spans):
        rows = np.flatnonzero(np.isin(anchors, steps) & np.isin(anchors + lag, steps))
        start, end = (np.searchsorted(steps, wanted[rows]) for wanted in (anchors, anchors + lag))
        squared[:, rows, place] = _distances(points, start, end)
        infinite += int((~np.isfinite(squared[:, rows, place]).any(axis=0)).sum())
    if np.isnan(squared).all() and np.isfinite(points).all():
        message = (
            f"no two of the {steps.size} times {steps[0]} to {steps[-1]} are a waiting time and one of the lags "
            f"{spans[:4].tolist()} ... after it; store weights at equal spacing, or choose waiting_times and lags"
        )
        raise ConfigError(message)
    return DisplacementTable(
        anchors,
        spans,
        squared[..., None],
        np.array([points.shape[2]]),
        anchor_norms=_norms(points, steps, anchors)[..., None],
        eps=float(np.finfo(np.asarray(positions).dtype).eps) if _is_coarse(positions) else 0.0,
        infinite=infinite,
    )


def _checked(positions: npt.ArrayLike, times: npt.ArrayLike) -> tuple[npt.NDArray[np.floating], Steps]:
    given = np.asarray(positions) if _is_float(positions) else real_numbers("positions", positions)
    points = given[None] if given.ndim == 2 else given
    steps = real_numbers("times", times)
    if points.ndim != 3 or 0 in points.shape or np.iscomplexobj(points):
        message = (
            f"positions are {given.dtype} of shape {given.shape}; they must be real, (trajectory, time, parameter), or "
            "(time, parameter) for one trajectory"
        )
        raise ConfigError(message)
    if steps.shape != points.shape[1:2] or steps.size < 2:
        message = f"times has shape {steps.shape}; it must be one step for each of the {points.shape[1]} positions, 2 or more"
        raise ConfigError(message)
    fits = np.isfinite(steps).all() and (steps == np.rint(steps)).all()
    whole = whole_numbers("times", steps if fits else np.zeros(2))
    if not fits or whole[0] < 0 or (np.diff(whole) <= 0).any():
        message = (
            f"times are {steps[:5].tolist()} ...; they must be whole numbers of steps from 0 on, increasing"
        )
        raise ConfigError(message)
    fine = np.result_type(points.dtype, np.float32)
    return points.astype(fine, copy=False), whole


def _is_float(positions: npt.ArrayLike) -> bool:
    return isinstance(positions, np.ndarray) and positions.dtype.kind == "f"


def _is_coarse(positions: npt.ArrayLike) -> bool:
    return isinstance(positions, np.ndarray) and positions.dtype.kind == "f" and positions.dtype.itemsize < 4


def _spans(steps: Steps) -> Steps:
    """8 lags per decade, in multiples of the greatest common divisor of the spacings."""
    unit = np.gcd.reduce(np.diff(steps))
    longest = (steps[-1] - steps[0]) // unit
    powers = np.arange(int(np.ceil(_PER_DECADE * np.log10(longest))) + 1)
    multiples = np.unique(np.rint(10 ** (powers / _PER_DECADE)).astype(np.int64))
    found: Steps = unit * multiples[multiples <= longest]
    return found


def _norms(points: npt.NDArray[np.floating], steps: Steps, anchors: Steps) -> Array:
    norms = np.full((len(points), anchors.size), np.nan)
    stored = np.isin(anchors, steps)
    chosen = points[:, np.searchsorted(steps, anchors[stored])]
    norms[:, stored] = np.einsum("rwp,rwp->rw", chosen, chosen, dtype=np.float64)
    return norms


def _distances(points: npt.NDArray[np.floating], start: Steps, end: Steps) -> Array:
    """|θ(end) − θ(start)|², `(trajectory, pair)`, a bounded number of pairs at a time."""
    found = np.empty((len(points), start.size))
    at_once = max(1, _NUMBERS_AT_ONCE // (len(points) * points.shape[2]))
    for first in range(0, start.size, at_once):
        part = slice(first, first + at_once)
        away = points[:, end[part]] - points[:, start[part]]
        found[:, part] = np.einsum("rwp,rwp->rw", away, away, dtype=np.float64)
    return found
