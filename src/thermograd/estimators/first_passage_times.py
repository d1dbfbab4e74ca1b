"""When each trajectory first met a target: event times and censoring times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage_html import passages_html
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_numbers import whole_numbers
from thermograd.quantity_figure import figure_of

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class FirstPassageTimes:
    """First-passage times of an ensemble, some of them censored.

    Times count steps (or epochs) completed; the first recorded value has time 1, and 0 means that the
    trajectory began at the target.

    Attributes:
        time: `(N,)` time of arrival, or the last time at which a trajectory that did not arrive was seen.
        reached: `(N,)` True where the trajectory arrived.
        horizon: up to where survival is known: the largest time at which anybody was still under way, or the
            end of the record if everybody arrived.
        unit: unit of the times.

    Raises:
        ConfigError: a ValueError: shapes that differ, or times that are no whole numbers from 0.

    >>> passages = FirstPassageTimes([3, 5, 8], [True, True, False], horizon=8)
    >>> len(passages), round(passages.censored_fraction, 3)
    (3, 0.333)
    """

    time: npt.NDArray[np.int64]
    reached: npt.NDArray[np.bool_]
    horizon: int
    unit: str = "epoch"

    def __post_init__(self) -> None:
        time, reached = (
            np.atleast_1d(real_numbers(name, getattr(self, name))) for name in ("time", "reached")
        )
        if time.ndim != 1 or time.shape != reached.shape:
            message = f"time and reached need the same shape (trajectory,), got {time.shape}, {reached.shape}"
            raise ConfigError(message)
        fits = is_finite_number(self.horizon) and self.horizon == int(self.horizon) >= 0 and (time >= 0).all()
        if not fits or not (time == np.rint(time)).all():
            message = "first-passage times and the horizon are whole numbers >= 0 (steps or epochs completed)"
            raise ConfigError(message)
        object.__setattr__(self, "time", whole_numbers("time", time))
        object.__setattr__(self, "reached", reached.astype(bool))
        object.__setattr__(self, "horizon", int(self.horizon))

    def __len__(self) -> int:
        return int(self.time.size)

    @property
    def censored_fraction(self) -> float:
        """Share of trajectories that never arrived; NaN if there is none."""
        return float(1.0 - self.reached.mean()) if len(self) else float("nan")

    def __str__(self) -> str:
        return f"{int(self.reached.sum())} of {len(self)} arrived within {self.horizon} {self.unit}s"

    def _repr_html_(self) -> str:
        return passages_html(self)

    def plot(self) -> Any:
        """The share of trajectories still under way against time, with its band.

        Returns:
            A `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: the requirements of the report layer are not installed.
        """
        return figure_of(self)

    def outcomes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """The distinct outcomes `(time, reached, count)`, sorted: what a bootstrap resamples.

        >>> FirstPassageTimes([3, 3, 8], [True, True, False], horizon=8).outcomes()[2].tolist()
        [2, 1]
        """
        code = 2 * self.time + ~self.reached
        if len(self) and code.max() <= 8 * len(self):
            # Counting beats sorting as long as the table of codes is no longer than the data.
            table = np.bincount(code)
            distinct = np.flatnonzero(table)
            counts = table[distinct]
        else:
            distinct, counts = np.unique(code, return_counts=True)
        return distinct // 2, distinct % 2 == 0, counts


def first_passage_times(
    values: npt.ArrayLike,
    target: float,
    *,
    direction: str = "up",
    times: npt.ArrayLike | None = None,
    unit: str = "epoch",
    from_start: bool | None = None,
) -> FirstPassageTimes:
    """First time at which each trajectory is at or beyond the target.

    T = min{t : x(t) >= target} for `direction="up"`, x(t) <= target for "down"; reaching exactly counts,
    in the floating-point precision of the values.
    NaN inside a trajectory is "not evaluated" and skipped; NaN at its end means that the run stopped there,
    and it is censored at its last number. A run that ends in infinity has diverged: it is known never to
    arrive and counts as watched to the end of the record. An infinite value is no arrival.
    The horizon is the largest arrival or censoring time: runs that end early do not shorten it, Kaplan-Meier
    weighs them. Where everybody arrived it is the end of the record. Runs that end early *because* of how
    they did (stopped when they looked hopeless) spoil the estimate, and no column can show that.

    Args:
        values: recorded values `(trajectory, time)`.
        target: the value to reach, in the units of `values`.
        direction: "up" or "down".
        times: `(time,)` whole, strictly increasing numbers of steps completed; default 1, 2, ...; a time 0 is
            allowed.
        unit: what is counted, for display.
        from_start: refuse two or more runs that are all past the target at their first record, which is a
            wrong target, unit or direction. False for values that follow something else, as a perturbation;
            default True where `times` place the values in the training.

    Returns:
        One time per trajectory, in order.

    Raises:
        ConfigError: values are not two-dimensional or empty, a run has no number at all, `direction`,
            `target` or `times` cannot be used, the target is in other units than the values (per cent), or
            every run is past it at its first record.

    >>> first_passage_times([[0.2, 0.6, 0.5], [0.1, 0.2, 0.3]], 0.6).time.tolist()
    [2, 3]
    """
    table = _table(values)
    at = _recording_times(times, table.shape[1])
    if not isinstance(direction, str) or direction not in {"up", "down"}:
        message = f"direction must be 'up' or 'down', got {direction!r}"
        raise ConfigError(message)
    if not is_finite_number(target):
        message = f"target must be a finite number, got {target}"
        raise ConfigError(message)
    recorded = ~np.isnan(table)
    if not recorded.any(axis=1).all():
        message = f"run {int(np.argmin(recorded.any(axis=1)))} holds no number at all: leave that row out"
        raise ConfigError(message)
    finite = np.isfinite(table)
    # 0.904 in single precision is below 0.904 in double: the target takes the precision of the values.
    goal = table.dtype.type(target)
    met = finite & ((table >= goal) if direction == "up" else (table <= goal))
    reached: Array = np.asarray(met.any(axis=1))
    _check_units(table[finite], target, reached)
    if (times is not None if from_start is None else from_start) and len(table) > 1:
        begun = met[np.arange(len(table)), np.argmax(recorded, axis=1)]
        _check_begun(table[finite], target, direction, begun)
    end = table.shape[1] - 1
    last = end - np.argmax(recorded[:, ::-1], axis=1)
    diverged = ~finite[np.arange(len(table)), last]
    time = at[np.where(reached, np.argmax(met, axis=1), np.where(diverged, end, last))]
    horizon = at[-1] if reached.all() else time.max()
    return FirstPassageTimes(time, reached, int(horizon), unit)


def residual_times(perturbed: FirstPassageTimes, interval: int) -> FirstPassageTimes:
    """Times still to go, counted from `interval`, of the trajectories that had not arrived by then.

    tau = T - P of the runs with T > P; a censored run stays censored, at its time minus P.

    Args:
        perturbed: times of runs that were perturbed at `interval`.
        interval: P, the time of the perturbation.

    Returns:
        The residual times, possibly none.

    Raises:
        ConfigError: the interval is negative or beyond the horizon.

    >>> residual_times(FirstPassageTimes([3, 5, 8], [True, True, False], 8), 4).time.tolist()
    [1, 4]
    """
    check_has("perturbed", perturbed, "horizon", "what first_passage_times(values, target) returns")
    check_number("interval", interval)
    if not 0 <= interval <= perturbed.horizon or interval != int(interval):
        message = (
            f"interval {interval} is not a whole number between 0 and the horizon {perturbed.horizon}, "
            "so these runs do not tell what follows it"
        )
        raise ConfigError(message)
    alive = perturbed.time > interval
    return FirstPassageTimes(
        perturbed.time[alive] - int(interval),
        perturbed.reached[alive],
        perturbed.horizon - int(interval),
        perturbed.unit,
    )


def _table(values: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    if not isinstance(values, np.ndarray) and hasattr(values, "scalars"):
        message = (
            f"values must be a table (trajectory, time), got a whole run; choose one of what it recorded, as in run[{values.scalars[0]!r}]"
            if values.scalars
            else "values must be a table (trajectory, time), got a run that recorded no scalar"
        )
        raise ConfigError(message)
    try:
        table = np.asarray(values)
        if table.dtype.kind == "c":
            table = real_numbers("values", table)
        table = table if table.dtype.kind == "f" else table.astype(np.float64)
    except (TypeError, ValueError) as error:
        message = f"values must be a table (trajectory, time) of numbers with rows of equal length ({error})"
        raise ConfigError(message) from error
    if table.ndim != 2 or 0 in table.shape:
        message = f"values must be a table (trajectory, time) with at least one of each, got {table.shape}"
        raise ConfigError(message)
    return table


def _recording_times(times: npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64]:
    if times is None:
        return np.arange(1, count + 1)
    given = real_numbers("times", times)
    if given.shape != (count,):
        message = f"times must hold one number per column ({count}), got shape {given.shape}"
        raise ConfigError(message)
    if not (given == np.rint(given)).all() or given[0] < 0:
        message = "times must be whole numbers of steps or epochs completed, none negative"
        raise ConfigError(message)
    whole = whole_numbers("times", given)
    falling = np.flatnonzero(np.diff(whole) <= 0)
    if falling.size:
        row = int(falling[0]) + 1
        message = f"times must increase strictly; row {row} holds {whole[row]} after {whole[row - 1]}"
        raise ConfigError(message)
    return whole


def _check_units(finite: Array, target: float, reached: Array) -> None:
    """Refuse 0.72 against per cents, and 95 against shares: met at the first value, or never."""
    if not finite.size or (reached.any() and not reached.all()):
        return
    low, high = float(finite.min()), float(finite.max())
    far = low >= 0.0 and (target > 10.0 * high or 0.0 < 10.0 * target < low)
    meant = _in_other_units(target, low, high, (100.0,)) if far else None
    if meant is not None:
        message = f"target {target:g} but values span {low:.4g} to {high:.4g}; did you mean {meant:g}?"
        raise ConfigError(message)
    if far and target / 1000 <= high <= 1.0 < target <= 100.0 and not reached.any():
        message = (
            f"target {target:g} but values span {low:.4g} to {high:.4g}, as shares do, which never exceed 1; did you mean "
            f"{target / 100:g}? For values of another kind take a target within 10 times the largest"
        )
        raise ConfigError(message)


def _check_begun(finite: Array, target: float, direction: str, begun: Array) -> None:
    """Refuse a question that the first record has answered."""
    if not begun.all():
        return
    low, high = float(finite.min()), float(finite.max())
    meant = _in_other_units(target, low, high, (100.0, 10.0, 1000.0, 10_000.0))
    other = "down" if direction == "up" else "up"
    unit = "" if meant is None else f" (did you mean {meant:g}?)"
    way = f" (did you mean direction={other!r}, --direction {other}?)" if low <= target <= high else ""
    message = (
        f"all {begun.size} runs are past {target:g} at the first record (values {low:.4g} to {high:.4g}): is "
        f"the target, its unit{unit} or the direction {direction!r}{way} right?"
    )
    raise ConfigError(message)


def _in_other_units(target: float, low: float, high: float, factors: tuple[float, ...]) -> float | None:
    """The target times or over a factor, if that is among the values and the target is not."""
    if low <= target <= high or low < 0.0:
        return None
    candidates = [value for factor in factors for value in (target * factor, target / factor)]
    return next((value for value in candidates if low <= value <= high), None)
