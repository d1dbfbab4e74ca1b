"""What mean-field theory says of the temperature over a grid of learning rates, batches and persistences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from thermograd.errors import ConfigError, DivergedError
from thermograd.estimators.common_drift import CommonDrift
from thermograd.estimators.displacement_drift import FALSE_ALARM
from thermograd.estimators.effective_temperature import EffectiveTemperature, estimate
from thermograd.numerics.whole_number import check_whole_number
from thermograd.quantities import Estimate, Prediction, Verdict
from thermograd.theory.mean_field import solve_each
from thermograd.theory.mean_field_solution import MeanField

if TYPE_CHECKING:
    from thermograd.protocols import Executor

Process = Callable[..., Any]

_ENOUGH_ROWS = 4
_TOLERANCE = 0.1


@dataclass(frozen=True)
class SweepPoint:
    """One setting of a sweep.

    Attributes:
        learning_rate: η.
        batch_fraction: b.
        persistence: τ in steps; None where batches are not persistent.
        selection: as of `mean_field.solve`.
    """

    learning_rate: float
    batch_fraction: float
    persistence: float | None
    selection: str | Process

    @property
    def period(self) -> int:
        """Steps after which the noise repeats: an epoch if reshuffled, else 1."""
        return round(1 / self.batch_fraction) if self.selection == "reshuffled" else 1

    @property
    def noise_memory(self) -> float:
        """Correlation time of the batches in steps: bτ, an epoch if reshuffled, 0 without noise or where it is not known."""
        if self.selection == "persistent" and self.persistence is not None:
            return self.batch_fraction * self.persistence
        return {"sgd": 1.0, "persistent": 1.0, "reshuffled": float(self.period)}.get(str(self.selection), 0.0)

    def __str__(self) -> str:
        persistent = "" if self.persistence is None else f" {self.persistence:g} steps"
        name = self.selection if isinstance(self.selection, str) else "own selection"
        return f"{name}{persistent}, η = {self.learning_rate:g}, b = {self.batch_fraction:g}"


@dataclass(frozen=True, eq=False)
class Sweep:
    """Temperatures of a grid of settings.

    Attributes:
        points: the settings, the last argument fastest.
        temperatures: of them, in the same order; each with its verdict, of kind `diverged` where the weights grew without bound.
        distances: |w¹ − w²|²/d of two replicas at the last step, NaN where they diverged; None unless `replicas=2`.
        widths: of the boundary at the last step but one, NaN where the weights diverged.
        waiting_time: steps before the temperature is measured.
    """

    points: tuple[SweepPoint, ...]
    temperatures: tuple[EffectiveTemperature, ...]
    distances: tuple[Prediction, ...] | None
    widths: tuple[Prediction, ...]
    waiting_time: int

    def table(self) -> dict[str, list[Any]]:
        """Column -> cells, one a point; what may not be given is None."""
        found: dict[str, list[Any]] = {
            "learning rate": [point.learning_rate for point in self.points],
            "batch fraction": [point.batch_fraction for point in self.points],
            "persistence (steps)": [point.persistence for point in self.points],
            "selection": [
                point.selection if isinstance(point.selection, str) else "own" for point in self.points
            ],
        }
        for name in ("short", "fit", "long"):
            column = [getattr(one, name) for one in self.temperatures]
            found[f"{name} temperature"] = [_value(entry) for entry in column]
            if name == "fit":
                found |= {"from": [_end(entry, 0) for entry in column]}
                found |= {"to": [_end(entry, 1) for entry in column]}
        if self.distances is not None:
            distances = [float(entry.value) for entry in self.distances]
            found["replica distance"] = [value if math.isfinite(value) else None for value in distances]
        found["verdict"] = [one.verdict.kind for one in self.temperatures]
        return found

    def __repr__(self) -> str:
        return f"Sweep({len(self.points)} settings, waiting time {self.waiting_time} steps)"


def sweep(
    problem: Any,
    *,
    learning_rate: float | Sequence[float],
    batch_fraction: float | Sequence[float],
    persistence: float | Sequence[float | None] | None = None,
    selection: str | Process | None = None,
    waiting_time: int,
    lags: int,
    executor: Executor | None = None,
    **solver: Any,
) -> Sweep:
    """The effective temperature of every combination of learning rates, batch fractions and persistences.

    Each point is solved by `mean_field.solve` for waiting_time + lags steps (and an epoch less one step more if reshuffled, over
    whose starts displacement and response are averaged) and read by `effective_temperature.estimate`, with solver seeds
    as rows; one whose weights grow without bound has a verdict that says so, and the others are solved all the same. Stationarity
    is tested between the displacements from the waiting time on and from half the lags later; with
    `replicas=2` by what the displacements of both share, too.

    Args:
        problem: a `GaussianMixture`, or any object with its fields.
        learning_rate: η, one or several.
        batch_fraction: b, one or several.
        persistence: τ in steps, one or several; None among several is plain SGD.
        selection: as of `mean_field.solve`; None = persistent where there is a persistence, else sgd.
        waiting_time: steps before; some relaxation times.
        lags: of the displacement; the half-step temperature has one lag fewer.
        executor: of `mean_field.solve_many`: one task a point.
        **solver: further arguments of `mean_field.solve`, `replicas=2` for replica distances.

    Returns:
        The temperatures with their settings.

    Raises:
        ConfigError: a ValueError: no value at all, a persistence of a selection that has none, a waiting time or lags too few,
            or what `mean_field.solve` refuses.

    >>> from types import SimpleNamespace
    >>> mixture = {"clusters": 2, "sample_ratio": 4.0, "cluster_variance": 0.5, "door_width": 0.7, "loss": "square"}
    >>> start = {"margin": 1.0, "weight_decay": 0.3, "initial_norm_squared": 1.0, "initial_overlap": 0.0}
    >>> small = {"paths": 200, "response_paths": 50, "seeds": 2}
    >>> found = sweep(SimpleNamespace(**mixture, **start), learning_rate=0.1, batch_fraction=[0.6, 0.1], waiting_time=10,
    ...     lags=8, **small)
    >>> [str(point) for point in found.points]
    ['sgd, η = 0.1, b = 0.6', 'sgd, η = 0.1, b = 0.1']
    >>> found.temperatures[0].short.value < found.temperatures[1].short.value
    True
    """
    _check_time(waiting_time, lags, solver)
    points = _grid(learning_rate, batch_fraction, persistence, selection)
    tasks = [
        {
            **solver,
            "problem": problem,
            "learning_rate": point.learning_rate,
            "batch_fraction": point.batch_fraction,
            "persistence": point.persistence,
            "selection": point.selection,
            "steps": waiting_time + lags + point.period - 1,
        }
        for point in points
    ]
    solutions = solve_each(tasks, executor=executor)
    return Sweep(
        points,
        tuple(
            _diverged(one) if isinstance(one, DivergedError) else temperature_of(one, point, waiting_time)
            for one, point in zip(solutions, points, strict=True)
        ),
        _predictions(solutions, "replica_distance", before_end=0) if solver.get("replicas") == 2 else None,
        _predictions(solutions, "boundary_width", before_end=1),
        waiting_time,
    )


def _predictions(
    solutions: Sequence[MeanField | DivergedError], name: str, *, before_end: int
) -> tuple[Prediction, ...]:
    """One quantity of every solution, so many steps before its end."""
    return tuple(
        Prediction(math.nan, valid=np.array(False), rests_on="nothing: the weights diverged")
        if isinstance(one, DivergedError)
        else one.prediction(name, one.steps - before_end)
        for one in solutions
    )


def _diverged(divergence: DivergedError) -> EffectiveTemperature:
    """No temperature at any lag, and why."""
    said = str(divergence)
    text = f"{said[0].upper()}{said[1:]}. No temperature is defined."
    nothing = np.zeros(0)
    return EffectiveTemperature(
        short=None,
        fit=None,
        long=None,
        r_squared=math.nan,
        lags=np.zeros(0, np.int64),
        curve=nothing,
        curve_interval=np.zeros((2, 0)),
        displacement=nothing,
        response=nothing,
        verdict=Verdict(None, "diverged", text),
    )


def temperature_of(solution: MeanField, point: SweepPoint, waiting_time: int) -> EffectiveTemperature:
    """The temperature of one solution from a waiting time on, tested for stationarity.

    Between two ages; and with two replicas by what their displacements d¹, d² share, d¹·d² over |d|², which is 0 where
    nothing but noise moves the weights.

    Args:
        solution: of the point.
        point: its setting.
        waiting_time: steps.
    """
    displacement, response = solution.displacement_and_response(waiting_time, period=point.period)
    half = displacement.shape[1] // 2
    later = solution.displacement_and_response(waiting_time + half, period=point.period)[0]
    return estimate(
        displacement,
        response,
        earlier=displacement,
        later=later,
        common=_shared_drift(solution, waiting_time),
        noise_memory=point.noise_memory,
    )


def _shared_drift(solution: MeanField, start: int) -> CommonDrift | None:
    """From the start to the end, over solutions as rows: more than the tolerance, and Student's t-test rejects 0."""
    cross = solution.cross_correlation
    if cross is None:
        return None
    end, norm = solution.steps, solution.norm_squared
    own = norm[:, end] + norm[:, start] - 2 * solution.correlation[:, end, start]
    both = cross[:, end, end] + cross[:, start, start] - cross[:, end, start] - cross[:, start, end]
    rows = len(own)
    tested = rows >= _ENOUGH_ROWS and bool((own > 0).all())
    if not tested:
        return CommonDrift(False, False, end - start, float("nan"), float("nan"))
    share = both / own
    error = float(share.std(ddof=1)) / math.sqrt(rows)
    chance = float(stdtr(rows - 1, -share.mean() / error)) if error > 0 else float(share.mean() <= 0)
    found = bool(share.mean() > _TOLERANCE and chance < FALSE_ALARM)
    return CommonDrift(True, found, end - start, float(share.mean()), chance)


def _grid(
    learning_rate: float | Sequence[float],
    batch_fraction: float | Sequence[float],
    persistence: float | Sequence[float | None] | None,
    selection: str | Process | None,
) -> tuple[SweepPoint, ...]:
    axes = {
        "learning_rate": _several(learning_rate),
        "batch_fraction": _several(batch_fraction),
        "persistence": _several(persistence),
    }
    for name, values in axes.items():
        if not values:
            message = f"{name} is empty; give one value or more"
            raise ConfigError(message)
    return tuple(
        SweepPoint(rate, fraction, time, selection or ("sgd" if time is None else "persistent"))
        for rate, fraction, time in itertools.product(*axes.values())
    )


def _several(given: Any) -> tuple[Any, ...]:
    return (given,) if given is None or not hasattr(given, "__len__") else tuple(given)


def _check_time(waiting_time: int, lags: int, solver: dict[str, Any]) -> None:
    for name, value, least in (("waiting_time", waiting_time, 0), ("lags", lags, 4)):
        check_whole_number(name, value, least, of="steps", error=ConfigError)
    if "steps" in solver:
        message = f"steps is {solver['steps']!r}; a sweep takes waiting_time + lags steps, so give these"
        raise ConfigError(message)


def _value(entry: Estimate | None) -> float | None:
    return None if entry is None else float(entry.value)


def _end(entry: Estimate | None, place: int) -> float | None:
    return None if entry is None else float(entry.interval[place])
