"""The table of displacements that a run recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.discover import nearest
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.numerics.argument_kind import check_has
from thermograd.store.run import Run


def table(run: Run, name: str = "two_time_displacement") -> DisplacementTable:
    """The table of displacements of a run.

    A run records it as arrays `name/squared`, `name/waiting_times` and so on, with axes (trajectory, time, ...), at every
    decade of steps and at the end, each time whole; what is not known yet is filled up with NaN or −1. What is the same for
    all trajectories is repeated, and names of groups are code points. The last record that a trajectory has reached counts;
    trajectories that have not, and those that diverged, are NaN in all of the table: the estimates leave them out and say
    how many they were.

    Args:
        run: a run, in memory or of a directory.
        name: name of the record.

    Returns:
        The table of all trajectories.

    Raises:
        ConfigError: a ValueError: the run recorded no such table.
        NothingCommittedError: a ConfigError: no trajectory has come far enough.

    >>> import thermograd as tg
    >>> from thermograd.observables import TwoTimeDisplacement
    >>> from thermograd.problems import Quadratic
    >>> settings = {"trajectories": 3, "steps": 100, "engine": "eager"}
    >>> found = table(tg.run(tg.Experiment(Quadratic(), observe=[TwoTimeDisplacement()], **settings)))
    >>> found.waiting_times.tolist(), found.squared.shape[0]
    ([1, 2, 3, 6, 10, 18, 32, 56, 100], 3)
    """
    check_has("run", run, "names", "a run, as tg.run(...) or tg.open_run(path) returns")
    prefix = f"{name}/"
    kept = {key.removeprefix(prefix): run[key] for key in run.names if key.startswith(prefix)}
    if "squared" not in kept:
        tables = [key.removesuffix("/squared") for key in run.names if key.endswith("/squared")]
        message = (
            f"this run has no two-time displacement {name!r}. {nearest(name, tables)}. Observe "
            "TwoTimeDisplacement() to record one, or take aging.mean_square_displacement of saved weights"
        )
        raise ConfigError(message)
    known, times = np.nonzero((kept["lags"] > 0).any(axis=2))
    if not known.size:
        message = "no trajectory of this run has recorded its displacement yet: let it go on"
        raise NothingCommittedError(message)
    last = {key: values[:, times.max()] for key, values in kept.items()}
    return _table(last, int(known[times.argmax()]), np.asarray(run.diverged_at) >= 0)


def _table(kept: dict[str, npt.NDArray[Any]], one: int, diverged: npt.NDArray[np.bool_]) -> DisplacementTable:
    """The table of one record of all trajectories, of which `one` has it."""
    waiting, lags = (kept[name][one] for name in ("waiting_times", "lags"))
    waiting, lags = waiting[waiting >= 0], lags[lags > 0]
    squared = kept["squared"][:, : waiting.size, : lags.size].astype(np.float64)
    squared[diverged] = np.nan
    return DisplacementTable(
        waiting,
        lags,
        squared,
        kept["sizes"][one],
        groups=_names(kept["groups"][one]),
        anchor_norms=kept["anchor_norms"][:, : waiting.size],
        relative_error=kept["relative_error"][one],
        eps=float(kept["eps"][one]),
        missed=int(kept["missed"].max()),
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
