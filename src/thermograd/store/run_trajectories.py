"""One scalar of a run directory as recorded trajectories."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thermograd.discover import nearest
from thermograd.errors import ConfigError, NothingCommittedError
from thermograd.store.known_values import known_values
from thermograd.store.printable import printable
from thermograd.store.reader import open_run
from thermograd.store.run import Run
from thermograd.store.trajectories import Trajectories

_USUAL = "test_accuracy"


def trajectories_of_run(folder: Path, metric: str | None = None) -> Trajectories:
    """The committed records of a scalar at ends of epochs.

    The record of time 0 is left out: it is of the initial weights. A trajectory that diverged is infinite from
    there to the end, so that it never arrives; one that has not been trained that far is NaN.

    Args:
        folder: the run directory, which may still be written.
        metric: name of the scalar; default the only one, or `test_accuracy`.

    Returns:
        The trajectories of which anything is committed, named by their number, in epochs.

    Raises:
        ConfigError: no such scalar.
        NothingCommittedError: nothing is committed at the end of an epoch.
        ForeignDirectoryError: the folder is not a run.
        DamagedRunError: the run cannot be trusted.
        MissingExtraError: zarr is not installed.

    >>> import tempfile
    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> experiment = tg.Experiment(Quadratic(), trajectories=4, epochs=3, engine="eager")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = tg.run(experiment, store=f"{folder}/run")
    ...     print(trajectories_of_run(Path(folder) / "run"))
    4 trajectories at 3 times, 1 to 3 epochs
    """
    run = open_run(folder)
    name = _scalar(folder, run, metric)
    steps = run.times(name)
    ends = np.flatnonzero((steps > 0) & (steps % run.steps_per_epoch == 0))
    values = _known(run, name)[:, ends]
    seen = ~np.isnan(values)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        message = f"{printable(folder)}: no {name} is committed at the end of an epoch of {run.steps_per_epoch} steps"
        raise NothingCommittedError(message)
    ended = columns[-1] + 1
    notes = []
    if metric is None and len(run.scalars) > 1:
        others = ", ".join(other for other in run.scalars if other != name)
        notes.append(
            f"{printable(folder)}: {name} was read; it has {others} too, chosen by metric (--metric)"
        )
    if rows.size < run.trajectories:
        left = run.trajectories - rows.size
        notes.append(
            f"{printable(folder)}: {left} of {run.trajectories} trajectories have no record yet, left out"
        )
    if not run.complete:
        notes.append(f"{printable(folder)} is {run.state}: what is committed so far was read")
    return Trajectories(
        values[rows, :ended],
        steps[ends[:ended]] // run.steps_per_epoch,
        tuple(map(str, rows)),
        "epoch",
        tuple(notes),
    )


def _scalar(folder: Path, run: Run, metric: str | None) -> str:
    scalars = run.scalars
    if metric is None and len(scalars) == 1:
        return scalars[0]
    name = _USUAL if metric is None else metric
    if name in scalars:
        return name
    if not scalars:
        message = f"{printable(folder)} recorded no scalar, which is what is read: its experiment must observe one, as loss or accuracy"
    elif metric is None:
        message = f"{printable(folder)} recorded several scalars; choose with metric: {', '.join(scalars)}"
    else:
        message = f"{printable(folder)} recorded no scalar {metric!r}. {nearest(metric, scalars)}"
    raise ConfigError(message)


def _known(run: Run, name: str) -> np.ndarray:
    values, steps = known_values(run, name), run.times(name)
    diverged_at = run.diverged_at[:, None]
    return np.where((diverged_at >= 0) & (steps >= diverged_at), np.inf, values)
