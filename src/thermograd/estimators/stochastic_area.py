"""Covariance and circulation from running sums, where no trajectory was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.centred_products import ProductSums, centred_products
from thermograd.estimators.circulation import circulation_estimate, swept
from thermograd.estimators.stationary_covariance import covariance_estimate
from thermograd.estimators.trajectory_pieces import ENOUGH_TRAJECTORIES, MeanOfPieces, checked_level
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate
from thermograd.store.run import Run

__all__ = ["AreaSums", "area_sums", "circulation", "covariance"]

Array = npt.NDArray[Any]

_FIELDS = ("count", "sum", "second_moment", "area")


@dataclass(frozen=True, eq=False)
class AreaSums:
    """Totals since step 0 at the times of writing, of k coordinates counted from a point c: δ = θ − c before an update.

    Attributes:
        times: steps at which they were written, `(time,)`.
        count: n, updates, `(trajectory, time)`.
        sum: Σ δ, `(trajectory, time, k)`.
        second_moment: Σ δδᵀ, `(trajectory, time, k, k)`.
        area: Σ ½ (δ Δθᵀ − Δθ δᵀ), `(trajectory, time, k, k)`.
        displacement: Σ Δθ, `(trajectory, time, k)`, or None. With it the area is taken about the measured mean; without
            it the area keeps ½ (mean − c) ∧ (Δθ of the window), noise that fades with its length only.

    Raises:
        ConfigError: a ValueError: shapes that do not belong together, or numbers that are not finite (the first
            trajectory and time).

    >>> turns = np.array([1.0, 2.0])[None, :, None, None]  # of the unit circle, each in 100 updates
    >>> around = np.pi * np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> sums = AreaSums([100, 200], [[100, 200]], np.zeros((1, 2, 2)), turns * 50 * np.eye(2), turns * around)
    >>> covariance(sums).value.round(9).tolist(), circulation(sums).value.round(6).tolist()  # π/100
    ([[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.031416], [-0.031416, 0.0]])
    """

    times: Array
    count: Array
    sum: Array
    second_moment: Array
    area: Array
    displacement: Array | None = None

    def __post_init__(self) -> None:
        for name in ("times", *_FIELDS, "displacement"):
            if getattr(self, name) is not None or name != "displacement":
                object.__setattr__(self, name, real_numbers(name, getattr(self, name)))
        lead = (*self.count.shape, *self.sum.shape[2:])
        shapes = {
            "times": self.count.shape[1:],
            "sum": lead,
            "second_moment": (*lead, *lead[2:]),
            "area": (*lead, *lead[2:]),
            "displacement": lead,
        }
        for name, expected in shapes.items():
            given = getattr(self, name)
            if given is not None and (given.shape != expected or len(lead) != 3 or 0 in lead):
                message = f"{name} has shape {given.shape}; {expected} belongs to count {self.count.shape}"
                raise ConfigError(message)
            if given is not None and not np.isfinite(given).all():
                place = tuple(int(axis) for axis in np.argwhere(~np.isfinite(given))[0])
                message = f"{name} is NaN or infinite at {place}, (trajectory, time, ...): leave such trajectories out"
                raise ConfigError(message)


def area_sums(run: Run, name: str = "stochastic_area") -> AreaSums:
    """The sums that the accumulator `StochasticArea` has recorded in a run.

    Args:
        run: the run.
        name: of the record.

    Raises:
        ConfigError: it has no such record.

    >>> import thermograd as tg
    >>> from thermograd.observables import StochasticArea
    >>> from thermograd.problems import Quadratic
    >>> settings = {"observe": [StochasticArea()], "trajectories": 2, "epochs": 3, "engine": "eager"}
    >>> sums = area_sums(tg.run(tg.Experiment(Quadratic(), **settings)))  # of 3 weights, 6 steps an epoch
    >>> sums.times.astype(int).tolist(), sums.count[0].astype(int).tolist(), sums.area.shape
    ([0, 6, 12, 18], [0, 6, 12, 18], (2, 4, 3, 3))
    """
    check_has("run", run, "names", "a run, as tg.run(...) or tg.open_run(path) returns")
    if f"{name}/area" not in run.names:
        message = f"the run has no sums {name!r}: observe stochastic_area. It has {', '.join(run.names) or 'no record'}"
        raise ConfigError(message)
    count, total, second_moment, area = (run[f"{name}/{entry}"] for entry in _FIELDS)
    moved = f"{name}/displacement"
    return AreaSums(
        times=run.times(f"{name}/count"),
        count=count,
        sum=total,
        second_moment=second_moment,
        area=area,
        displacement=run[moved] if moved in run.names else None,
    )


def covariance(
    sums: AreaSums, *, since: int = 0, shared_centre: bool = False, level: float = 0.95
) -> Estimate:
    """Σ about the mean of each trajectory, in the coordinates of the sums.

    20 trajectories or more are the pieces; of fewer, the stretches between times of writing, joined until they are longer
    than the correlations. Measured means take away a part of Σ, which is added again; with one stretch it is not
    seen, and `note` says so.

    Args:
        sums: from `area_sums`.
        since: updates before this step are left out.
        shared_centre: all trajectories are counted from the same point and stray about the same mean.
        level: two-sided, of every element.

    Returns:
        `(k, k)` in units of θ².

    Raises:
        ConfigError: a ValueError: no updates since then, one stretch of one trajectory, times of writing that are not
            equally spaced for fewer than 20 trajectories, or a level outside (0, 1).

    >>> totals = AreaSums([2, 4], [[2, 4]], [[[0.0], [4.0]]], [[[[2.0]], [[12.0]]]], np.zeros((1, 2, 1, 1)))
    >>> covariance(totals).value.round(6).tolist()  # δ = −1, 1, 1, 3 about 1, and 1 for the scatter of the mean
    [[3.0]]
    """
    checked_level(level)
    count, total, product, _, _ = _stretches(sums, since)
    found = _centred(ProductSums(count, total, total, product), shared_centre, lambda matrix: matrix)
    return covariance_estimate(found, level)


def circulation(
    sums: AreaSums, *, since: int = 0, shared_centre: bool = False, level: float = 0.95
) -> Estimate:
    """C, the mean area swept per update, in the coordinates of the sums.

    About the mean of each trajectory where its displacement was recorded. Pieces as in `covariance`.

    Args:
        sums: from `area_sums`.
        since: updates before this step are left out.
        shared_centre: all trajectories are counted from the same point and stray about the same mean.
        level: two-sided, of every element.

    Returns:
        `(k, k)`, antisymmetric.

    Raises:
        ConfigError: as `covariance`.

    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> still = np.zeros((3, 1, 2))
    >>> moments = np.tile(10 * np.eye(2), (3, 1, 1, 1))
    >>> sums = AreaSums([10], np.full((3, 1), 10), still, moments, np.tile(5 * turn, (3, 1, 1, 1)))  # 10 updates, area 1/2 each
    >>> circulation(sums).value.tolist()
    [[0.0, 0.5], [-0.5, 0.0]]
    """
    checked_level(level)
    count, total, _, area, displacement = _stretches(sums, since)
    if displacement is None:
        found = centred_products(ProductSums(count, total, total, area), "given", lambda matrix: matrix)
    else:
        found = _centred(ProductSums(count, total, displacement, area), shared_centre, swept)
    return circulation_estimate(found, level)


def _centred(sums: ProductSums, shared_centre: bool, part: Any) -> MeanOfPieces:
    return centred_products(sums, "common" if shared_centre else "own", part)


def _stretches(sums: AreaSums, since: int) -> tuple[Array, Array, Array, Array, Array | None]:
    """What each stretch between times of writing added, from `since` on; updates before the first written time too."""
    check_has("sums", sums, "times", "what area_sums(run) returns")
    check_number("since", since)
    kept = sums.times >= since
    if not kept.any() or since < 0:
        message = f"since is {since}; the sums were written at steps {sums.times[0]:g} to {sums.times[-1]:g}"
        raise ConfigError(message)

    def added(totals: Array) -> Array:
        chosen = totals[:, kept]
        if since == 0:
            chosen = np.concatenate([np.zeros_like(chosen[:, :1]), chosen], axis=1)
        steps: Array = np.diff(chosen, axis=1)
        return steps

    count = added(sums.count)
    filled = (count > 0).all(axis=0)
    count = count[:, filled]
    if not filled.any():
        message = f"no update was counted since step {since}; the sums were written at steps {sums.times.tolist()[:5]} ..."
        raise ConfigError(message)
    if len(count) < ENOUGH_TRAJECTORIES and (count != count[0, 0]).any():
        message = (
            f"{len(count)} trajectories need stretches of equal length between times of writing for an error bar, got "
            f"{np.unique(count).tolist()[:5]} updates; write at equally spaced times, or record 20 trajectories"
        )
        raise ConfigError(message)
    total, product, area = (added(part)[:, filled] for part in (sums.sum, sums.second_moment, sums.area))
    displacement = None if sums.displacement is None else added(sums.displacement)[:, filled]
    return count, total, product, area, displacement
