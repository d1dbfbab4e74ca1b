"""`DisplacementTable`: squared distances between the weights at two times, for many waiting times and lags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.estimators.displacement_files import read_table, save_table
from thermograd.numerics.argument_kind import check_has, check_number
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.whole_number import check_whole_number
from thermograd.numerics.whole_numbers import whole_numbers
from thermograd.quantity_figure import figure_of

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

_REQUIRED = ("waiting_times", "lags", "squared", "sizes")
_OPTIONAL = ("groups", "anchor_norms", "relative_error", "eps", "missed", "infinite")
_PER = ("parameter", "group", "anchor")


@dataclass(frozen=True, eq=False)
class DisplacementTable:
    """Squared distances |θ_g(t_w + t) − θ_g(t_w)|² of groups g of weights, from waiting time t_w over lag t.

    Attributes:
        waiting_times: t_w in optimiser steps, 0 or larger, increasing, `(W,)`.
        lags: t in optimiser steps, 1 or larger, increasing, `(L,)`.
        squared: the **sum** of squares over the group, `(trajectory, W, L, group)`; NaN where nothing was measured.
        sizes: number of weights in each group, `(group,)`.
        groups: their names; group 0 is all weights.
        anchor_norms: |θ_g(t_w)|², `(trajectory, W, group)`, or None.
        relative_error: standard error of one distance over that distance, `(group,)`: 0 where it is exact, √(2/k) of a
            sketch of k numbers. Errors of different pairs are not independent.
        eps: largest machine epsilon of weights coarser than float32, 0 if there are none.
        missed: how many distances were due and never delivered.
        infinite: how many distances were measured, but are not finite in any trajectory.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, times that do not increase, or a negative distance.

    >>> line = DisplacementTable([0, 1], [1, 2], [[[[1.0], [4.0]], [[1.0], [np.nan]]]], sizes=[2])  # θ = (t, 0)
    >>> line.mean_square()[0, :, :, 0].tolist()
    [[0.5, 2.0], [0.5, nan]]
    """

    waiting_times: Steps
    lags: Steps
    squared: Array
    sizes: Steps
    groups: tuple[str, ...] = ("all",)
    anchor_norms: Array | None = None
    relative_error: Array = 0.0  # type: ignore[assignment]  # one number stands for all groups
    eps: float = 0.0
    missed: int = 0
    infinite: int = 0

    def __post_init__(self) -> None:
        given: Any = self.groups
        given = given.tolist() if isinstance(given, np.ndarray) else given  # of a file
        check_has("groups", given, "index", "names of the groups, such as ('all',)")
        eps, missed, infinite = (_plain(getattr(self, name)) for name in ("eps", "missed", "infinite"))
        check_number("eps", eps, 0)
        check_whole_number("missed", missed, 0, error=ConfigError)
        check_whole_number("infinite", infinite, 0, error=ConfigError)
        squared = real_numbers("squared", self.squared)
        names = tuple(str(name) for name in given)
        error = _of_groups(real_numbers("relative_error", self.relative_error), len(names))
        norms = None if self.anchor_norms is None else real_numbers("anchor_norms", self.anchor_norms)
        checked = {
            "waiting_times": _times("waiting_times", self.waiting_times, 0),
            "lags": _times("lags", self.lags, 1),
            "squared": squared,
            "sizes": whole_numbers("sizes", self.sizes),
            "groups": names,
            "anchor_norms": norms,
            "relative_error": error,
            "eps": float(eps),
            "missed": int(missed),
            "infinite": int(infinite),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        expected = (len(self.waiting_times), len(self.lags), len(names))
        if squared.ndim != 4 or squared.shape[1:] != expected or not squared.shape[0]:
            message = f"squared has shape {squared.shape}; waiting times, lags and groups ask for (trajectory, {', '.join(map(str, expected))})"
            raise ConfigError(message)
        if norms is not None and norms.shape != (squared.shape[0], expected[0], expected[2]):
            message = f"anchor_norms has shape {norms.shape}; it must be {(squared.shape[0], expected[0], expected[2])}"
            raise ConfigError(message)
        if self.sizes.shape != (len(names),) or (self.sizes < 1).any() or len(set(names)) < len(names):
            message = f"sizes {self.sizes.tolist()} must be one positive number for each of the groups {names}, all different"
            raise ConfigError(message)
        if (squared < 0).any():
            message = f"squared holds {np.nanmin(squared):g}; squared distances are 0 or larger, NaN where not measured"
            raise ConfigError(message)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> DisplacementTable:
        """The table whose fields are the entries of a mapping; other entries are left alone.

        Args:
            mapping: `waiting_times`, `lags`, `squared`, `sizes`, and any of `groups`, `anchor_norms`,
                `relative_error`, `eps`, `missed`, `infinite`.

        Raises:
            ConfigError: a ValueError: an entry is missing, or does not fit.

        >>> DisplacementTable.from_mapping({"waiting_times": [1], "lags": [1], "squared": [[[[2.0]]]], "sizes": [2]}).sizes
        array([2])
        """
        check_has("mapping", mapping, "__getitem__", f"a mapping of {', '.join(_REQUIRED)}")
        missing = [name for name in _REQUIRED if name not in mapping]
        if missing:
            message = f"a table of displacements needs {', '.join(missing)}; the mapping has: {', '.join(map(str, mapping)) or 'nothing'}"
            raise ConfigError(message)
        return cls(**{name: mapping[name] for name in (*_REQUIRED, *_OPTIONAL) if name in mapping})

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.squared)

    @property
    def note(self) -> str:
        """What a reader of the numbers should know, or ""."""
        missed = f"{self.missed} distances were due at steps that were never delivered" if self.missed else ""
        infinite = (
            f"{self.infinite} distances are left out, as weights were infinite or NaN"
            if self.infinite
            else ""
        )
        error = float(self.relative_error.max(initial=0.0))
        sketched = f"distances from a sketch, {100 * error:.2g} % each" if error else ""
        return "; ".join(part for part in (missed, infinite, sketched) if part)

    def mean_square(self, per: str = "parameter") -> Array:
        """Mean-square displacement Δ(t_w, t), `(trajectory, W, L, group)`.

        Δ = (1/P) Σ_i (θ_i(t_w + t) − θ_i(t_w))² over the P weights of a group (Herrera Segura, Montoya, Tapias, Eq 2).

        Args:
            per: "parameter", Eq 2; "group", without 1/P; "anchor", over |θ_g(t_w)|² instead of P.

        Raises:
            ConfigError: a ValueError: another word, or "anchor" where no norms were recorded.
        """
        check_has("per", per, "casefold", f"one of {', '.join(map(repr, _PER))}")
        if per == "parameter":
            return self.squared / self.sizes
        if per == "group":
            return self.squared
        if per == "anchor" and self.anchor_norms is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                found: Array = self.squared / self.anchor_norms[:, :, None, :]
            return np.where(self.anchor_norms[:, :, None, :] > 0, found, np.nan)
        message = f"per is {per!r}; use one of {', '.join(map(repr, _PER))}" + (
            " - this table has no norms of its anchors" if per == "anchor" else ""
        )
        raise ConfigError(message)

    def place(self, group: int | str) -> int:
        """The position of a group, which is given by its position or its name.

        Raises:
            ConfigError: a ValueError: there is no such group.
        """
        if isinstance(group, str) and group in self.groups:
            return self.groups.index(group)
        if is_finite_number(group) and group == int(group) and 0 <= group < len(self.groups):
            return int(group)
        near = nearest(group, self.groups) if isinstance(group, str) else f"It has {', '.join(self.groups)}"
        message = f"this table has no group {group!r}. {near}"
        raise ConfigError(message)

    def select(self, group: int | str) -> DisplacementTable:
        """The table of one group alone.

        Args:
            group: its position or its name.

        Raises:
            ConfigError: a ValueError: there is no such group.
        """
        place = self.place(group)
        return replace(
            self,
            squared=self.squared[..., [place]],
            sizes=self.sizes[[place]],
            groups=(self.groups[place],),
            anchor_norms=None if self.anchor_norms is None else self.anchor_norms[..., [place]],
            relative_error=self.relative_error[[place]],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to one npz file, atomically.

        Args:
            path: the file to create or replace.

        Raises:
            OSError: the disk refuses; an old file is untouched.
        """
        fields = {name: getattr(self, name) for name in (*_REQUIRED, *_OPTIONAL)}
        save_table({name: value for name, value in fields.items() if value is not None}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DisplacementTable:
        """Read what `save` wrote. Nothing in the file is executed.

        Args:
            path: the file.

        Raises:
            ConfigError: a ValueError: there is no such file, or it is something else.
            DamagedDataError: a ValueError: cut short or altered.
            NewerFormatError: written by a newer version.
        """
        return read_table(path, cls.from_mapping)

    def plot(self) -> Any:
        """Its figure, a `plotly.graph_objects.Figure`.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        return figure_of(self)

    def __str__(self) -> str:
        count = f"{self.trajectories} trajector{'y' if self.trajectories == 1 else 'ies'}"
        waiting, lags = (
            f"{len(times)} {what}" + (f" {times[0]}…{times[-1]}" if len(times) else "")
            for times, what in ((self.waiting_times, "waiting times"), (self.lags, "lags"))
        )
        note = f" ({self.note})" if self.note else ""
        return f"DisplacementTable: {count}, {waiting}, {lags}, groups {', '.join(self.groups)}{note}"

    __repr__ = __str__


def as_table(table: object) -> DisplacementTable:
    """The table itself, or that of a mapping.

    Raises:
        ConfigError: a ValueError: neither, or a mapping that lacks something.
    """
    if isinstance(table, DisplacementTable):
        return table
    if isinstance(table, Mapping):
        return DisplacementTable.from_mapping(table)
    message = (
        f"a table of displacements is needed, got {type(table).__name__}; take tracker.table(), aging.table(run) or "
        "aging.mean_square_displacement(positions, times)"
    )
    raise ConfigError(message)


def _of_groups(error: Array, groups: int) -> Array:
    if error.shape not in {(), (1,), (groups,)} or not (error >= 0).all():
        message = f"relative_error is {error.tolist()}; it must be one number, 0 or larger, or one of each of {groups} groups"
        raise ConfigError(message)
    return np.broadcast_to(error, (groups,))


def _plain(value: Any) -> Any:
    """A number itself where it comes as an array of no axes, as from a file."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _times(name: str, given: npt.ArrayLike, smallest: int) -> Steps:
    times = real_numbers(name, given)
    rising = (np.diff(times, prepend=smallest - 1) > 0).all() if times.ndim == 1 else False
    if not rising or not (times == np.rint(times)).all():
        message = f"{name} are {np.asarray(given).tolist()}; they must be whole numbers of steps from {smallest} on, increasing"
        raise ConfigError(message)
    return whole_numbers(name, times)
