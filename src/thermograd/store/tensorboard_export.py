"""A csv file as TensorBoard writes it: one scalar of one run, `Wall time,Step,Value`."""

from __future__ import annotations

from thermograd.errors import ConfigError
from thermograd.store.csv_rows import CsvRows, number, whole
from thermograd.store.log_table import LogTable

_HEADER = {"wall time", "step", "value"}


def is_tensorboard(rows: CsvRows) -> bool:
    """Whether these are the columns of a TensorBoard download."""
    return set(rows.lower) == _HEADER and len(rows.header) == len(_HEADER)


def tag_of(stem: str) -> str | None:
    """The scalar a downloaded file is named after, or None if it was renamed.

    >>> tag_of("run-seed0-tag-val_acc"), tag_of("seed0")
    ('val_acc', None)
    """
    run, separator, tag = stem.partition("-tag-")
    return tag if run.startswith("run-") and separator else None


def tensorboard_run(rows: CsvRows, name: str, metric: str | None) -> LogTable:
    """The run of one TensorBoard file, in the order of the wall time.

    Args:
        rows: the file.
        name: what to call the run.
        metric: must be None, or what the file is named after: there is no other value.

    Returns:
        Its entries; a resumed run that repeats a step has the later wall time last.

    Raises:
        ConfigError: a metric that the file does not hold, or a cell that is no number.
    """
    tag = tag_of(rows.file.stem)
    if metric is not None and metric.lower() != "value" and _flat(metric) != tag:
        held = "holds one value, Value" if tag is None else f"is of {tag}"
        message = f"{rows.file} is a TensorBoard csv and {held}: there is no metric {metric!r} in it"
        raise ConfigError(message)
    lower = rows.lower
    cells = rows.columns(lower.index("wall time"), lower.index("step"), lower.index("value"))
    entries = [
        (number(wall, place), whole(at, place), number(value, place)) for place, (wall, at, value) in cells
    ]
    entries.sort(key=lambda entry: entry[0] if entry[0] == entry[0] else float("-inf"))
    return LogTable.of(((name, at, value) for _, at, value in entries), "step")


def of_metric(tag: str, metric: str) -> bool:
    """Whether a file of this tag holds the metric; TensorBoard writes `val/acc` as `val_acc`.

    >>> of_metric("val_acc", "val/acc")
    True
    """
    return tag in {metric, _flat(metric)}


def _flat(metric: str) -> str:
    return metric.replace("/", "_")
