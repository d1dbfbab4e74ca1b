"""Which column of a log is the run, which the time, and which the value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.store.printable import excerpt

RUN_COLUMNS = ("run", "run_id", "seed")
_STEPS = ("step", "_step", "global_step", "trainer/global_step", "steps")
EPOCHS = ("epoch", "epochs")
_BOOKKEEPING = {"wall time", "wall_time", "timestamp", "_timestamp", "_runtime", "__index_level_0__"}


def run_column(header: Sequence[str]) -> int | None:
    """The column that names the run.

    >>> run_column(["Step", "Seed", "acc"])
    1
    """
    lower = [name.strip().lower() for name in header]
    return next((lower.index(name) for name in RUN_COLUMNS if name in lower), None)


def time_column(header: Sequence[str]) -> tuple[int, str] | None:
    """The column of the times and what it counts; steps, where a log has both.

    >>> time_column(["Epoch", "acc"]), time_column(["acc", "trainer/global_step"]), time_column(["acc"])
    ((0, 'epoch'), (1, 'step'), None)
    """
    lower = [name.strip().lower() for name in header]
    # W&B adds a _step of its own to everything: a column that the user named comes first.
    order = [_STEPS[0], *EPOCHS, *_STEPS[1:]]
    found = next((name for name in order if name in lower), None)
    if found is None:
        return None
    return lower.index(found), "epoch" if found in EPOCHS else "step"


def value_columns(header: Sequence[str]) -> list[int]:
    """The columns that may be a value: neither run nor time, nor when it was written.

    >>> value_columns(["epoch", "step", "loss", "_timestamp", "acc"])
    [2, 4]
    """
    taken = {*RUN_COLUMNS, *_STEPS, *EPOCHS, *_BOOKKEEPING, ""}
    return [place for place, name in enumerate(header) if name.strip().lower() not in taken]


def value_column(file: Path, header: Sequence[str], metric: str | None) -> int:
    """The one column of values: `metric`, else "value", else the only one there is.

    Args:
        file: what is read, for messages.
        header: names of the columns.
        metric: which one.

    Returns:
        Its place.

    Raises:
        ConfigError: none or several are meant; the message has the nearest name and the list.
    """
    known = [header[place] for place in value_columns(header)]
    if metric is not None:
        found = [place for place, name in enumerate(header) if name == metric]
        asked = f"no value column {metric!r}. {nearest(metric, set(known))}"
    else:
        found = [place for place in value_columns(header) if header[place].lower() == "value"]
        found = found or value_columns(header)
        asked = f"which column is the value? Choose one with metric= (--metric): {', '.join(known)}"
        if not known:
            asked = f"no column of values, only: {', '.join(header)}"
    if len(found) == 1:
        return found[0]
    if metric is not None and found:
        asked = f"{len(found)} columns are called {metric!r}; rename all but one"
    message = f"{file}: {excerpt(asked)}"
    raise ConfigError(message)
