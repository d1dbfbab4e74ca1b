"""The displacement of one group of weights, ready to be averaged: whole trajectories and waiting times that were measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_table import DisplacementTable, as_table
from thermograd.estimators.trajectory_pieces import joined
from thermograd.numerics.bootstrap import resampled_counts

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Window = tuple[float | None, float | None]

_FEW = 8
_NUMBERS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class DisplacementCurves:
    """Δ(t_w, t) of one group.

    Attributes:
        waiting_times: t_w with at least one lag that was measured, `(W,)`.
        lags: t, `(L,)`.
        each: Δ of every trajectory that is left, `(R, W, L)`; NaN where nothing was measured, in all of them alike.
        floor: the displacement that rounding of coarse weights makes up, 0 for float32 and float64.
        note: what was left out, or "".
    """

    waiting_times: Steps
    lags: Steps
    each: Array
    floor: float
    note: str

    @property
    def trajectories(self) -> int:
        """How many are left."""
        return len(self.each)

    @property
    def mean(self) -> Array:
        """Over trajectories, `(W, L)`."""
        mean: Array = self.weighted(np.ones((1, self.trajectories)))[0]
        return mean

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest mean displacement above 0; NaN if nothing moves."""
        mean = self.mean
        moved = mean[mean > 0]
        return (float(moved.min()), float(moved.max())) if moved.size else (np.nan, np.nan)

    @property
    def at_first_lag(self) -> float:
        """The largest mean displacement of any waiting time at its first lag with one; NaN if nothing moves."""
        mean = self.mean
        moved = mean > 0
        first = np.take_along_axis(mean, moved.argmax(axis=1)[:, None], axis=1)[:, 0]
        return float(first[moved.any(axis=1)].max()) if moved.any() else np.nan

    def weighted(self, counts: npt.NDArray[np.generic]) -> Array:
        """Mean of trajectories taken so often as `counts` `(B, R)` says: `(B, W, L)`."""
        measured = np.isfinite(self.each[0])
        flat = np.where(measured, self.each, 0.0).reshape(self.trajectories, -1)
        mean: Array = (counts @ flat / counts.sum(axis=1, keepdims=True)).reshape(
            len(counts), *measured.shape
        )
        return np.where(measured, mean, np.nan)

    def resampled(self, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
        """How often each trajectory is drawn in bootstrap resamples, `(some, R)` at a time, as memory allows."""
        counts = resampled_counts(np.ones(self.trajectories, np.int64), resamples, seed)
        at_once = max(1, _NUMBERS_AT_ONCE // max(self.each[0].size, 1))
        for first in range(0, resamples, at_once):
            yield counts[first : first + at_once]

    def said(self) -> str:
        """How many trajectories there are, in words.

        >>> DisplacementCurves(np.array([1]), np.array([1]), np.ones((1, 1, 1)), 0.0, "").said()
        'one run'
        """
        return "one run" if self.trajectories == 1 else f"{self.trajectories} trajectories"

    def few(self) -> str:
        """The same where they are few, else ""."""
        return self.said() if self.trajectories < _FEW else ""


def displacement_curves(
    given: object,
    *,
    group: int | str,
    per: str,
    waiting: Window | None = None,
    from_step: int = 0,
    fewest: int = 1,
) -> DisplacementCurves:
    """The curves of one group of a table.

    A trajectory is left out if an entry of it is infinite, or NaN where another trajectory has a number: it diverged, or
    is not finished. An entry that is NaN in all of them was not measured.

    Args:
        given: a `DisplacementTable`, or the mapping that makes one.
        group: position or name.
        per: see `DisplacementTable.mean_square`.
        waiting: first and last waiting time to use, either None.
        from_step: the smallest waiting time that can be used at all.
        fewest: the fewest waiting times there must be.

    Returns:
        The curves.

    Raises:
        ConfigError: a ValueError: no trajectory or too few waiting times are left; says what there is.
    """
    table = as_table(given)
    place = table.place(group)
    delta = table.mean_square(per)[..., place]
    measured = np.isfinite(delta)
    anywhere = np.asarray(measured.any(axis=0))
    whole = np.asarray((measured | ~anywhere).all(axis=(1, 2)) & ~np.isinf(delta).any(axis=(1, 2)))
    if not whole.any() or not anywhere.any():
        message = (
            f"nothing can be said of this table: {_emptiness(table, anywhere)}. Record the displacement of a training that "
            "stays finite, for longer than its first waiting time"
        )
        raise ConfigError(message)
    low, high = _window(waiting)
    times = table.waiting_times
    used: Flags = anywhere.any(axis=1) & (times >= max(low, from_step)) & (times <= high)
    curves = DisplacementCurves(
        times[used],
        table.lags,
        delta[whole][:, used],
        _floor(table, per, place, whole, used),
        joined([_left_out(whole), table.note]),
    )
    if int(used.sum()) < fewest:
        smallest, largest = (f"{end:.3g}" for end in curves.range)
        message = (
            f"waiting={waiting} holds {int(used.sum())} measured waiting times, {fewest} are needed; the table has "
            f"{times.size}"
            + (f", {times[0]} to {times[-1]}" if times.size else "")
            + (f", with displacements from {smallest} to {largest}" if used.any() else "")
        )
        raise ConfigError(message)
    return curves


def _window(waiting: Window | None) -> tuple[float, float]:
    low, high = two_ends("waiting", waiting) if waiting is not None else (None, None)
    ends = (0.0 if low is None else float(low), np.inf if high is None else float(high))
    if not ends[0] <= ends[1]:
        message = f"waiting is {waiting}; it must be (first, last) waiting time in steps, either None"
        raise ConfigError(message)
    return ends


def two_ends(name: str, given: object, also: str = "") -> Window:
    """A window (first, last), either None.

    Raises:
        ConfigError: a ValueError: it is no pair of numbers.

    >>> two_ends("waiting", (10, None))
    (10, None)
    """
    pair = given if isinstance(given, tuple | list) and len(given) == 2 else ()
    if not pair or not all(
        end is None or (isinstance(end, Real) and not isinstance(end, bool)) for end in pair
    ):
        message = f"{name} is {given!r}; give (first, last) in steps, either None{also}"
        raise ConfigError(message)
    return pair[0], pair[1]


def _emptiness(table: DisplacementTable, anywhere: Flags) -> str:
    if not anywhere.any() and not np.isinf(table.squared).any():
        return f"none of its {anywhere.size} distances was measured"
    return f"all of its {table.trajectories} trajectories diverged or are unfinished"


def _left_out(whole: Flags) -> str:
    count = int((~whole).sum())
    return (
        f"{count} of {whole.size} trajectories diverged or are unfinished and are left out" if count else ""
    )


def _floor(table: DisplacementTable, per: str, place: int, whole: Flags, used: Flags) -> float:
    """(eps |θ|)² in the unit of the displacement: what rounding alone moves weights that are coarser than float32."""
    if not table.eps or table.anchor_norms is None or not used.any():
        return 0.0
    largest = float(np.nan_to_num(table.anchor_norms[whole][:, used, place]).max())
    scale = {"parameter": 1 / table.sizes[place], "group": 1.0, "anchor": 1 / max(largest, 1e-300)}[per]
    return table.eps**2 * largest * float(scale)
