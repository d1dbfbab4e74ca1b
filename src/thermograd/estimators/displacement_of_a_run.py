"""The table of displacements that a run recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.store.run import Run

Array = npt.NDArray[np.float64]


def table(run: Run, name: str = "two_time_displacement") -> DisplacementTable:
    """The table of displacements of a run.

    A run records it as arrays `name/squared`, `name/waiting_times` and so on, each with the trajectory on axis 0; what
    is the same for all trajectories is repeated, and names of groups are code points, filled up with zeros. Trajectories
    that diverged are NaN in all of the table: the estimates leave them out and say how many they were.

    Args:
        run: a run, in memory or of a directory.
        name: name of the record.

    Returns:
        The table of all trajectories.

    Raises:
        ConfigError: a ValueError: the run recorded no such table.
        NothingCommittedError: a ConfigError: no trajectory has come far enough.
    """
    prefix = f"{name}/"
    kept = {key.removeprefix(prefix): run[key] for key in run.names if key.startswith(prefix)}
    if "squared" not in kept:
        tables = [key.removesuffix("/squared") for key in run.names if key.endswith("/squared")]
        message = (
            f"this run has no two-time displacement {name!r}. {nearest(name, tables)} Observe "
            "TwoTimeDisplacement() to record one, or take aging.mean_square_displacement of saved weights"
        )
        raise ConfigError(message)
    known = np.flatnonzero((kept["lags"] > 0).all(axis=1))
    if not known.size:
        message = "no trajectory of this run has recorded its displacement yet: let it go on"
        raise NothingCommittedError(message)
    first = int(known[0])
    squared = np.array(kept["squared"], np.float64)
    squared[np.asarray(run.diverged_at) >= 0] = np.nan
    missed = kept.get("missed")
    eps = kept.get("eps")
    return DisplacementTable(
        kept["waiting_times"][first],
        kept["lags"][first],
        squared,
        kept["sizes"][first],
        groups=_names(kept["groups"][first]) if "groups" in kept else ("all",),
        anchor_norms=kept.get("anchor_norms"),
        relative_error=kept["relative_error"][first] if "relative_error" in kept else np.zeros(1),
        eps=0.0 if eps is None else float(eps[first]),
        missed=0 if missed is None else int(missed[known].max()),
    )


def code_points(groups: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Names as code points, `(group, width)`, filled up with zeros: how a run keeps them.

    >>> code_points(("all", "fc")).tolist()
    [[97, 108, 108], [102, 99, 0]]
    """
    width = max(map(len, groups))
    return np.array([[*map(ord, name), *[0] * (width - len(name))] for name in groups], np.int32)


def _names(points: npt.NDArray[np.integer]) -> tuple[str, ...]:
    return tuple("".join(chr(point) for point in row if point > 0) for row in points.tolist())
