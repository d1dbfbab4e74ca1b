"""The curves of a table of displacements that can be drawn, or the sentence that says why there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.estimators.displacement_curves import DisplacementCurves, Window, displacement_curves
from thermograd.estimators.displacement_table import DisplacementTable

Array = npt.NDArray[Any]

AXES = {
    "parameter": "mean-square displacement Δ",
    "group": "squared displacement Δ",
    "anchor": "squared displacement Δ / |θ|²",
}
"""Names of the axis by what the displacement is taken per."""


def measured_displacement(
    table: DisplacementTable, *, group: int | str = 0, per: str = "parameter", waiting: Window | None = None
) -> DisplacementCurves | str:
    """Curves of one group, without trajectories that diverged.

    Args:
        table: of displacements.
        group: position or name.
        per: "parameter", "group" or "anchor", see `DisplacementTable.mean_square`.
        waiting: first and last waiting time, either None.

    Returns:
        The curves, or a sentence if nothing was measured: a page shows what there is.

    Raises:
        ConfigError: a ValueError: an unknown group, or a word that `per` does not know.
    """
    place = table.place(group)
    table.mean_square(per)
    if not table.waiting_times.size:
        return "No waiting time was recorded."
    if waiting is not None and not _inside(table, place, waiting).any():
        return f"Nothing was measured from waiting times in the window {waiting}."
    try:
        curves = displacement_curves(table, group=group, per=per, waiting=waiting)
    except ConfigError as cause:
        text = str(cause)
        return f"{text[0].upper()}{text[1:].removesuffix('.')}."
    return curves


def _inside(table: DisplacementTable, place: int, waiting: Window) -> Array:
    """Which waiting times lie in the window and have a distance that was measured."""
    low, high = (free if end is None else end for end, free in zip(waiting, (0.0, np.inf), strict=True))
    measured = np.isfinite(table.squared[..., place]).any(axis=(0, 2))
    inside: Array = measured & (table.waiting_times >= low) & (table.waiting_times <= high)
    return inside


def standard_error(curves: DisplacementCurves) -> Array:
    """Of the mean displacement over trajectories, `(W, L)`; NaN of one."""
    count = curves.trajectories
    if count < 2:
        return np.full(curves.mean.shape, np.nan)
    error: Array = curves.each.std(axis=0, ddof=1) / np.sqrt(count)
    return error
